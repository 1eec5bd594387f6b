import DequeModule
import Discovery
import Synchronization

/// How a query that libunbound sent to the transport ended lately. libunbound itself reports SERVFAIL only.
package enum ForwardingResult: Equatable, Sendable {
    case answered
    case failed(DNSFailure.Cause)
    /// It never reached the transport: libunbound had no socket or no memory for it.
    case notSeen
}

/// Results of forwarded queries.
///
/// Concurrency: any thread; one mutex.
/// Limits: the last `capacity` results.
final class ForwardingLog: Sendable {
    private struct Entry {
        let name: WireName
        let type: UInt16
        let cause: DNSFailure.Cause?
        let at: ContinuousClock.Instant
    }

    /// A lookup asks within milliseconds of the result.
    private static let capacity = 1_024

    private let entries = Mutex(Deque<Entry>())

    /// - Parameter cause: `nil`: it was answered.
    func record(_ cause: DNSFailure.Cause?, of query: DNSQuery, at now: ContinuousClock.Instant) {
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
