import Foundation
import Synchronization
import TestSupport

/// A continuous load of lookups from several clients. Each client repeats connections of its own with one, three or 30
/// lookups, like smtp(8). A connection that is refused, reset or closed before the reply is a failure. With `reconnects` a lookup on
/// a connection that was reset or closed is repeated once on a new one, like Postfix's socketmap client does.
final class SteadyLoad: Sendable {
    enum Endpoint: Sendable {
        case tcp(port: UInt16)
        case unix(path: String)
    }

    struct Outcome: Sendable {
        var answered = 0
        var failures: [String] = []
    }

    private let endpoint: Endpoint
    private let reconnects: Bool
    private let outcome = Mutex(Outcome())
    private let isStopped = Atomic(false)
    private let clients = DispatchGroup()

    /// The number of lookups on each connection, for each client.
    private static let lengths = [1, 1, 3, 30]
    /// The load stops after this many lookups if the test does not stop it.
    private static let limit = 200_000

    init(_ endpoint: Endpoint, reconnects: Bool = false) {
        self.endpoint = endpoint
        self.reconnects = reconnects
        for length in Self.lengths {
            DispatchQueue.global().async(group: clients) {
                while !self.isStopped.load(ordering: .relaxed), self.answered < Self.limit { self.ask(times: length) }
            }
        }
    }

    var answered: Int { outcome.withLock(\.answered) }

    /// Waits for `count` more replies.
    func continueLoad(lookups count: Int = 500) async throws {
        let goal = answered + count
        _ = try await eventually("\(count) more lookups are answered") { answered >= goal ? true : nil }
    }

    func stop() async -> Outcome {
        isStopped.store(true, ordering: .relaxed)
        await withCheckedContinuation { continuation in
            clients.notify(queue: .global()) { continuation.resume() }
        }
        return outcome.withLock(\.self)
    }

    private func ask(times: Int) {
        do throws(LookupError) {
            var descriptor = try connected()
            defer { close(descriptor) }
            for _ in 0..<times where !isStopped.load(ordering: .relaxed) {
                do throws(LookupError) {
                    try exchange(descriptor)
                } catch {
                    guard reconnects else { throw error }
                    let second = try connected()
                    close(descriptor)
                    descriptor = second
                    try exchange(descriptor)
                }
                outcome.withLock { $0.answered += 1 }
            }
        } catch {
            outcome.withLock { if $0.failures.count < 100 { $0.failures.append("\(error.what)") } }
        }
    }

    private struct LookupError: Error {
        let what: String

        static func system(_ call: String) -> LookupError {
            LookupError(what: "\(call): \(String(cString: strerror(errno)))")
        }
    }

    private func connected() throws(LookupError) -> Int32 {
        let family = if case .tcp = endpoint { AF_INET } else { AF_UNIX }
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let result =
            switch endpoint {
            case .tcp(let port): TCPConnection.withAddress("127.0.0.1", port: port) { connect(descriptor, $0, $1) }
            case .unix(let path): withUnixAddress(path) { connect(descriptor, $0, $1) }
            }
        guard result == 0 else {
            let error = LookupError.system("connect")
            close(descriptor)
            throw error
        }
        return descriptor
    }

    private func exchange(_ descriptor: Int32) throws(LookupError) {
        // The reply to this key needs no DNS.
        let request = Array("2:x ,".utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            throw .system("send")
        }
        var reply: [UInt8] = []
        var octets = [UInt8](repeating: 0, count: 64)
        while reply.last != UInt8(ascii: ",") {
            let count = recv(descriptor, &octets, octets.count, 0)
            if count == 0 { throw LookupError(what: "closed before the reply") }
            guard count > 0 else { throw .system("recv") }
            reply += octets.prefix(count)
        }
        guard reply == Array("9:NOTFOUND ,".utf8) else {
            throw LookupError(what: "answered \(String(decoding: reply, as: UTF8.self))")
        }
    }
}
