import Foundation
import Synchronization
import TestSupport

/// A blocking TCP connection over IPv4 for a client that sends a request and waits for the response.
///
/// Every read and write has a timeout.
struct TCPConnection: ~Copyable {
    private let descriptor: Int32

    init(to address: String, port: UInt16, timeout: Int = 30) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var limit = timeval(tv_sec: timeout, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let connected = Self.withAddress(address, port: port) { connect(descriptor, $0, $1) }
        guard connected == 0 else {
            throw TestNetworkError("cannot connect to \(address):\(port): \(String(cString: strerror(errno)))")
        }
    }

    deinit {
        close(descriptor)
    }

    static func canConnect(to address: String, port: UInt16) -> Bool {
        (try? TCPConnection(to: address, port: port)) != nil
    }

    func write(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw TestNetworkError("cannot write: \(String(cString: strerror(errno)))") }
            sent += count
        }
    }

    /// Returns the received octets, up to the limit; none at the end of the stream.
    func read(upTo limit: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &bytes, limit, 0)
        guard count >= 0 else { throw TestNetworkError("no answer: \(String(cString: strerror(errno)))") }
        return Array(bytes.prefix(count))
    }

    static func withAddress<Result>(
        _ address: String, port: UInt16, perform body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var socketAddress = sockaddr_in()
        socketAddress.sin_family = sa_family_t(AF_INET)
        socketAddress.sin_port = port.bigEndian
        inet_pton(AF_INET, address, &socketAddress.sin_addr)
        return withUnsafePointer(to: &socketAddress) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

/// A client of socketmap_table(5): one netstring out, one in.
enum SocketmapClient {
    /// Returns the reply to one lookup on a connection of its own. Does not block a thread of Swift's tasks.
    static func ask(_ key: String, map: String = "postfix", port: UInt16 = BridgeProcess.port) async throws -> String {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(with: Result { try exchange("\(map) \(key)", port: port) })
            }
        }
    }

    /// Looks up all keys over several connections, serially on each. If a connection ends early, its remaining keys have no
    /// reply.
    ///
    /// - Parameter each: receives the number of replies after each reply, on the thread that has read it.
    /// - Returns: the complete replies.
    static func askAll(
        _ keys: [String], connections: Int = 8, port: UInt16, each: @escaping @Sendable (Int) -> Void = { _ in }
    ) async -> [String: String] {
        let replies = Replies()
        await withTaskGroup(of: Void.self) { group in
            for first in 0..<min(connections, keys.count) {
                group.addTask {
                    await offThreads {
                        guard let connection = try? TCPConnection(to: "127.0.0.1", port: port) else { return }
                        for key in stride(from: first, to: keys.count, by: connections).map({ keys[$0] }) {
                            guard let reply = try? exchange("postfix \(key)", over: connection) else { return }
                            each(replies.add(reply, to: key))
                        }
                    }
                }
            }
        }
        return replies.all
    }

    private final class Replies: Sendable {
        private let replies = Mutex<[String: String]>([:])

        var all: [String: String] { replies.withLock { $0 } }

        /// - Returns: the number of replies.
        func add(_ reply: String, to key: String) -> Int {
            replies.withLock { replies in
                replies[key] = reply
                return replies.count
            }
        }
    }

    /// Runs a blocking function outside the threads of Swift's tasks.
    private static func offThreads(_ body: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                body()
                continuation.resume()
            }
        }
    }

    private static func exchange(_ request: String, port: UInt16) throws -> String {
        let connection = try TCPConnection(to: "127.0.0.1", port: port)
        return try exchange(request, over: connection)
    }

    private static func exchange(_ request: String, over connection: borrowing TCPConnection) throws -> String {
        try send(request, over: connection)
        return try receive(over: connection)
    }

    static func send(_ request: String, over connection: borrowing TCPConnection) throws {
        try connection.write(Array("\(request.utf8.count):\(request),".utf8))
    }

    static func receive(over connection: borrowing TCPConnection) throws -> String {
        var reply: [UInt8] = []
        while true {
            let bytes = try connection.read(upTo: 65536)
            guard !bytes.isEmpty else { throw TestNetworkError("closed after \(reply.count) bytes of a reply") }
            reply += bytes
            guard let colon = reply.firstIndex(of: UInt8(ascii: ":")) else { continue }
            guard let length = Int(String(decoding: reply[..<colon], as: UTF8.self)) else {
                throw TestNetworkError("not a netstring: \(String(decoding: reply, as: UTF8.self))")
            }
            guard reply.count >= colon + length + 2 else { continue }
            guard reply.count == colon + length + 2, reply.last == UInt8(ascii: ",") else {
                throw TestNetworkError("a netstring and more: \(String(decoding: reply, as: UTF8.self))")
            }
            let faults = ConversationGrammar.faults(in: reply)
            guard faults.isEmpty else { throw TestNetworkError("Postfix would not take the reply: \(faults)") }
            return String(decoding: reply[(colon + 1)..<(reply.count - 1)], as: UTF8.self)
        }
    }
}
