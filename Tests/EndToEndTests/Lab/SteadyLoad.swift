import Foundation
import Synchronization
import TestSupport

/// Lookups that never pause, from several clients at once, each on a connection of its own: some for one lookup, some for
/// many, as smtp(8) makes them. Whatever is refused, reset or closed before its answer is a failure; nothing is tried again.
final class SteadyLoad: Sendable {
    enum Place: Sendable {
        case tcp(port: UInt16)
        case unix(path: String)
    }

    struct Outcome: Sendable {
        var answered = 0
        var failures: [String] = []
    }

    private let place: Place
    private let outcome = Mutex(Outcome())
    private let isStopped = Atomic(false)
    private let clients = DispatchGroup()

    /// Lookups of one connection, for each client.
    private static let lengths = [1, 1, 3, 30]
    /// Ends by itself, should nobody stop it.
    private static let limit = 200_000

    init(_ place: Place) {
        self.place = place
        for length in Self.lengths {
            DispatchQueue.global().async(group: clients) {
                while !self.isStopped.load(ordering: .relaxed), self.answered < Self.limit { self.ask(times: length) }
            }
        }
    }

    var answered: Int { outcome.withLock(\.answered) }

    /// Waits until so many more were answered, which shows that somebody answers now.
    func goOn(_ count: Int = 500) async throws {
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
        do throws(Failure) {
            let descriptor = try connected()
            defer { close(descriptor) }
            for _ in 0..<times where !isStopped.load(ordering: .relaxed) {
                try exchange(descriptor)
                outcome.withLock { $0.answered += 1 }
            }
        } catch {
            outcome.withLock { if $0.failures.count < 100 { $0.failures.append("\(error.what)") } }
        }
    }

    private struct Failure: Error {
        let what: String

        static func system(_ call: String) -> Failure { Failure(what: "\(call): \(String(cString: strerror(errno)))") }
    }

    private func connected() throws(Failure) -> Int32 {
        let family = if case .tcp = place { AF_INET } else { AF_UNIX }
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let result =
            switch place {
            case .tcp(let port): TCPConnection.withAddress("127.0.0.1", port) { connect(descriptor, $0, $1) }
            case .unix(let path): withUnixAddress(path) { connect(descriptor, $0, $1) }
            }
        guard result == 0 else {
            let failure = Failure.system("connect")
            close(descriptor)
            throw failure
        }
        return descriptor
    }

    private func exchange(_ descriptor: Int32) throws(Failure) {
        // A key that is answered without DNS.
        let request = Array("2:x ,".utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            throw .system("send")
        }
        var reply: [UInt8] = []
        var octets = [UInt8](repeating: 0, count: 64)
        while reply.last != UInt8(ascii: ",") {
            let count = recv(descriptor, &octets, octets.count, 0)
            if count == 0 { throw Failure(what: "closed before the answer") }
            guard count > 0 else { throw .system("recv") }
            reply += octets.prefix(count)
        }
        guard reply == Array("9:NOTFOUND ,".utf8) else {
            throw Failure(what: "answered \(String(decoding: reply, as: UTF8.self))")
        }
    }
}
