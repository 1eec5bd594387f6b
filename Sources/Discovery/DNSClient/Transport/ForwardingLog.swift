import DequeModule
import Discovery
import Synchronization

/// The recent result of a query that libunbound sent to the transport. libunbound itself reports SERVFAIL only.
package enum ForwardingResult: Equatable, Sendable {
    case answered
    case failed(DNSError.Cause)
    /// The query did not reach the transport: libunbound had no socket or no memory for it.
    case notSeen
}

/// The results of forwarded queries.
///
/// Concurrency: Any thread may call. One mutex.
/// Limits: The last `capacity` results.
final class ForwardingLog: Sendable {
    private struct Entry {
        let name: WireName
        let type: UInt16
        let cause: DNSError.Cause?
        let at: ContinuousClock.Instant
    }

    /// A lookup needs the result within milliseconds.
    private static let capacity = 1_024

    private let entries = Mutex(Deque<Entry>())

    /// - Parameter cause: `nil` for an answer.
    func record(_ cause: DNSError.Cause?, of query: DNSQuery, at now: ContinuousClock.Instant) {
        guard let name = query.name else { return }
        entries.withLock { entries in
            if entries.count == Self.capacity { entries.removeFirst() }
            entries.append(Entry(name: name, type: query.type, cause: cause, at: now))
        }
    }

    /// The last result since `start`.
    func result(of name: WireName, type: UInt16, since start: ContinuousClock.Instant) -> ForwardingResult {
        entries.withLock { entries in
            guard let last = entries.last(where: { $0.name == name && $0.type == type && $0.at >= start })
            else { return .notSeen }
            return last.cause.map { .failed($0) } ?? .answered
        }
    }
}
