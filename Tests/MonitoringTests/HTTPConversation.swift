import NIOCore
import NIOPosix

/// A connection to the monitoring server on which a test sends any text.
struct HTTPConversation {
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private let channel: any Channel

    static func with<Result: Sendable>(
        port: Int, host: String = "127.0.0.1", _ talk: (inout HTTPConversation) async throws -> Result
    ) async throws -> Result {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var conversation = HTTPConversation(
                inbound: inbound.makeAsyncIterator(), outbound: outbound, channel: channel.channel)
            return try await talk(&conversation)
        }
    }

    func send(_ text: String) async throws {
        try await outbound.write(ByteBuffer(string: text))
    }

    /// Reads until the text ends with `end` or the server closes.
    mutating func receive(until end: String) async -> String {
        var text = ""
        while !text.hasSuffix(end), let buffer = try? await inbound.next() { text += String(buffer: buffer) }
        return text
    }

    /// Reads until the server closes, in order or with an error.
    mutating func receiveAll() async -> String {
        var text = ""
        while let buffer = try? await inbound.next() { text += String(buffer: buffer) }
        return text
    }
}

/// A parsed response.
struct PageResponse {
    let status: Int
    let fields: [String: String]
    let body: String

    /// Sends one request on a new connection.
    static func to(
        _ path: String, method: String = "GET", port: Int, host: String = "127.0.0.1", body: String = ""
    ) async throws -> PageResponse {
        try await HTTPConversation.with(port: port, host: host) { conversation in
            let length = body.isEmpty ? "" : "Content-Length: \(body.utf8.count)\r\n"
            let head = "\(method) \(path) HTTP/1.1\r\nHost: x\r\n\(length)Connection: close\r\n\r\n"
            try await conversation.send(head + body)
            return try PageResponse(await conversation.receiveAll())
        }
    }

    init(_ text: String) throws {
        guard let end = text.firstRange(of: "\r\n\r\n") else { throw ResponseError(text: text) }
        let lines = text[..<end.lowerBound].split(separator: "\r\n").map(String.init)
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, let status = Int(words[1]) else { throw ResponseError(text: text) }
        self.status = status
        let pairs = lines.dropFirst().compactMap { line -> (String, String)? in
            let parts = line.split(separator: ": ", maxSplits: 1).map(String.init)
            return parts.count == 2 ? (parts[0].lowercased(), parts[1]) : nil
        }
        fields = Dictionary(pairs) { first, _ in first }
        body = String(text[end.upperBound...])
    }

    struct ResponseError: Error {
        let text: String
    }
}
