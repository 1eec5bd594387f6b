import TableServer
import NIOCore
import NIOPosix

/// A client over a real socket.
struct TableClient: Sendable {
    let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>

    /// Connects, calls `use`, and closes.
    static func with<Result: Sendable>(
        port: Int, host: String = "127.0.0.1", _ use: (inout Conversation) async throws -> Result
    ) async throws -> Result {
        try await talk(try await bootstrap.connect(host: host, port: port, channelInitializer: wrap), use)
    }

    static func with<Result: Sendable>(
        path: String, _ use: (inout Conversation) async throws -> Result
    ) async throws -> Result {
        try await talk(try await bootstrap.connect(unixDomainSocketPath: path, channelInitializer: wrap), use)
    }

    struct Conversation {
        var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
        let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
        private(set) var isClosed = false

        init(inbound: NIOAsyncChannelInboundStream<ByteBuffer>, outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) {
            self.inbound = inbound.makeAsyncIterator()
            self.outbound = outbound
        }

        /// Sends `text` and returns the answer up to `end`, or up to the end of the stream.
        mutating func ask(_ text: String, until end: String) async throws -> String {
            try await outbound.write(ByteBuffer(string: text))
            return try await receive(until: end)
        }

        mutating func receive(until end: String) async throws -> String {
            var received = ""
            while !received.hasSuffix(end) {
                guard let buffer = try await inbound.next() else {
                    isClosed = true
                    break
                }
                received += String(buffer: buffer)
            }
            expectGrammar(received)
            return received
        }
    }

    private static var bootstrap: ClientBootstrap { ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton) }

    private static func wrap(
        _ channel: any Channel
    ) -> EventLoopFuture<NIOAsyncChannel<ByteBuffer, ByteBuffer>> {
        channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
    }

    private static func talk<Result: Sendable>(
        _ channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>, _ use: (inout Conversation) async throws -> Result
    ) async throws -> Result {
        try await channel.executeThenClose { inbound, outbound in
            var conversation = Conversation(inbound: inbound, outbound: outbound)
            return try await use(&conversation)
        }
    }
}
