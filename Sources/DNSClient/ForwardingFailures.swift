import DequeModule
import Discovery
import Synchronization

/// Why forwarded queries failed lately.
///
/// Concurrency: any thread; one mutex.
/// Limits: the last `capacity` failures.
final class ForwardingFailures: Sendable {
    private struct Failure {
        let name: WireName
        let type: UInt16
        let cause: DNSFailure.Cause
        let at: ContinuousClock.Instant
    }

    /// A lookup asks within milliseconds of the failure.
    private static let capacity = 512

    private let failures = Mutex(Deque<Failure>())

    func record(_ cause: DNSFailure.Cause, of query: DNSQuery, at now: ContinuousClock.Instant) {
        guard let name = query.name else { return }
        failures.withLock { failures in
            if failures.count == Self.capacity { failures.removeFirst() }
            failures.append(Failure(name: name, type: query.type, cause: cause, at: now))
        }
    }

    func cause(of name: WireName, type: UInt16, since start: ContinuousClock.Instant) -> DNSFailure.Cause? {
        failures.withLock { failures in
            failures.last { $0.name == name && $0.type == type && $0.at >= start }?.cause
        }
    }
}
