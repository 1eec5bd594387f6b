import Logging
import PolicyRuntime
import ServiceLifecycle
import Synchronization
import UnboundDNS

/// Probes at intervals whether the DNS servers support DNSSEC, logs and counts the result, and switches DANE on and off
/// accordingly if `dns.dnssec` is `auto`.
///
/// DANE is on until the first result. If the servers strip signatures, every validated answer fails, and a domain that was
/// never known to be signed has no DANE then. The watch never delays the start. It logs only changes.
/// Concurrency: one probe at a time, in `run`. Other methods: any task.
/// Not here: which result counts, and the interval to the next probe (`DNSSECProbeState`).
final class DNSSECWatch: Service {
    struct Subject: Sendable {
        let validator: UnboundValidator
        /// Whether the result switches DANE (`dns.dnssec: auto`), or DANE is on whatever the servers do.
        let switchesDANE: Bool
    }

    private let subject: Mutex<Subject?>
    private let policies: PolicyService
    private let metrics: DNSSECMetrics
    private let logger: Logger

    /// Interval between checks whether a probe is due, or whether the validator has changed.
    private static let interval = Duration.seconds(5)

    /// - Parameter subject: `nil`: DANE is not looked up, so there is nothing to probe.
    init(_ subject: Subject?, policies: PolicyService, metrics: DNSSECMetrics, logger: Logger) {
        self.subject = Mutex(subject)
        self.policies = policies
        self.metrics = metrics
        self.logger = logger
    }

    /// Replaces the subject. If its validator is another one, the next probe follows within seconds.
    ///
    /// - Returns: whether the validator is another one.
    func update(subject: Subject?) -> Bool {
        self.subject.withLock { current in
            defer { current = subject }
            return current?.validator !== subject?.validator
        }
    }

    /// The probes of one validator.
    private struct Session {
        let subject: Subject
        let generation: Int
        var state = DNSSECProbeState()
        var next = ContinuousClock.now

        init(_ subject: Subject) {
            self.subject = subject
            generation = subject.validator.generation
        }

        /// Whether `current` uses the same validator and the same DNS servers.
        func isValid(for current: Subject?) -> Bool {
            subject.validator === current?.validator && generation == current?.validator.generation
        }
    }

    func run() async throws {
        var session: Session?
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            let current = subject.withLock(\.self)
            if let current {
                if session?.isValid(for: current) != true {
                    metrics.update(nil)
                    session = Session(current)
                }
            } else if session != nil {
                metrics.update(nil)
                session = nil
            }
            if let due = session, due.next <= .now { session = await probe(due) }
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.interval) }
        }
    }

    private func probe(_ session: Session) async -> Session {
        var session = session
        let validator = session.subject.validator
        let answers = await cancelWhenGracefulShutdown { await DNSSECProbe(validator).answers() }
        // The answers are void if the servers have changed meanwhile, or if the daemon stops.
        guard !Task.isShuttingDownGracefully, !Task.isCancelled, subject.withLock({ session.isValid(for: $0) })
        else { return session }
        let result = DNSSECStatus(answers, lastSecureAnswer: validator.lastSecureAnswer, now: .now)
        let previous = session.state.status
        if case .accepted(let status, let isNew) = session.state.add(result) {
            if isNew { log(status, previous: previous, subject: session.subject) }
            metrics.update(status)
            switch status {
            case .works, .worksElsewhere: policies.useDANE(true)
            case .stripped: policies.useDANE(!session.subject.switchesDANE)
            case .unreachable: break
            }
        }
        session.next = .now + session.state.interval(jitter: .random(in: 0..<1))
        return session
    }

    private func log(_ status: DNSSECStatus, previous: DNSSECStatus?, subject: Subject) {
        for failure in status.failed {
            logger.warning(
                "DNSSEC test name failed validation",
                metadata: ["name": "\(failure.question)", "reason": "\(failure.reason)"])
        }
        let names: Logger.Metadata = ["names": "\(status.failed.map { "\($0.question)" }.joined(separator: ", "))"]
        switch status {
        case .works(let failed, let warning):
            if let warning {
                logger.warning(
                    "DNSSEC validation works, but the bogus test name did not fail", metadata: ["reason": "\(warning)"])
            }
            if !failed.isEmpty {
                logger.warning("DNSSEC validation works except for some zones, DANE stays on", metadata: names)
            } else if previous != nil {
                logger.notice("DNSSEC works, DANE is on")
            }
        case .worksElsewhere:
            logger.warning("no DNSSEC test name validates but other names do, DANE stays on", metadata: names)
        case .stripped where !subject.switchesDANE:
            logger.error(
                "DNS servers strip DNSSEC, all DANE lookups fail: use servers that support DNSSEC", metadata: names)
        case .stripped:
            logger.error("DNS servers strip DNSSEC, DANE is off: use servers that support DNSSEC", metadata: names)
        case .unreachable:
            logger.warning("cannot test DNSSEC, no answer from the DNS servers", metadata: names)
        }
    }
}
