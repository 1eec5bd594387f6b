import Glibc
import LookupServer
import MTASTS
import NIOCore
import NIOPosix

/// One lookup over a connection of its own, as Postfix makes it.
struct TableProbe: Sendable {
    let address: ListenAddress
    let table: TableProtocol

    /// - Throws: `CommandFailure`: nobody listens, or the answer is late or another than a daemon's.
    func run(within limit: Duration) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await ask() }
            group.addTask {
                try await Task.sleep(for: limit)
                throw CommandFailure(.unknown, "\(address) does not answer within \(DurationText.format(limit))")
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// A key that has no policy whatever DNS says: the answer comes from the daemon alone.
    private var exchange: (request: String, reply: String) {
        switch table {
        case .socketmap: ("16:postfix .invalid,", "9:NOTFOUND ,")
        case .tcpTable: ("get .invalid\n", "500 ")
        }
    }

    private func ask() async throws {
        let channel = try await connect()
        let exchange = exchange
        let reply = try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: exchange.request))
            var reply = ""
            for try await buffer in inbound {
                reply += String(buffer: buffer)
                if reply.utf8.count >= exchange.reply.utf8.count { break }
            }
            return reply
        }
        guard reply.hasPrefix(exchange.reply) else {
            throw CommandFailure(
                .unknown, "\(address) answers \"\(RemoteText.escaped(reply))\" where not found is right")
        }
    }

    private func connect() async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        let wrap = { @Sendable (channel: any Channel) in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }
        }
        do {
            switch address {
            case .tcp(let host, let port):
                return try await bootstrap.connect(host: host, port: port, channelInitializer: wrap)
            case .unix(let path):
                return try await bootstrap.connect(unixDomainSocketPath: path, channelInitializer: wrap)
            }
        } catch {
            let code = (error as? IOError)?.errnoCode ?? (error as? NIOConnectionError)?.code
            let reason = code.map { String(cString: strerror($0)) } ?? "\(error)"
            throw CommandFailure(.unreachable, "nobody answers at \(address): \(reason); is the daemon running?")
        }
    }
}

extension NIOConnectionError {
    /// Of the last address that was tried.
    fileprivate var code: Int32? { (connectionErrors.last?.error as? IOError)?.errnoCode }
}
