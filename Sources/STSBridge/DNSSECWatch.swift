import Logging
import PolicyService
import ServiceLifecycle
import Synchronization
import UnboundDNS

/// Probes now and then whether the DNS servers let DNSSEC through, logs and counts it, and switches DANE off and on by
/// that where `dns.dnssec` is `auto`.
///
/// Until the first result counts DANE is on: where signatures are stripped every answer fails, and a domain that was never
/// known to be signed has no DANE then. Never blocks the start. Logs changes only.
/// Concurrency: one probe at a time, in `run`. Its clock and its jitter are outside of what is decided (`DNSSECLooks`).
final class DNSSECWatch: Service {
    /// What is watched.
    struct Subject: Sendable {
        let validator: UnboundValidator
        /// Whether DANE is to go with DNSSEC (`dns.dnssec: auto`), or to stay whatever the servers do.
        let switchesDANE: Bool
    }

    private let subject: Mutex<Subject?>
    private let policies: PolicyService
    private let metrics: DNSSECMetrics
    private let logger: Logger

    /// How often it is looked whether a probe is due, or whether there is another validator to probe through.
    private static let pulse = Duration.seconds(5)

    /// - Parameter subject: `nil`: there is nothing to watch.
    init(_ subject: Subject?, policies: PolicyService, metrics: DNSSECMetrics, logger: Logger) {
        self.subject = Mutex(subject)
        self.policies = policies
        self.metrics = metrics
        self.logger = logger
    }

    /// Watches this one from now on, and probes through it within seconds.
    ///
    /// - Returns: whether it has another validator than the one before.
    func use(_ subject: Subject?) -> Bool {
        self.subject.withLock { current in
            defer { current = subject }
            return current?.validator !== subject?.validator
        }
    }

    /// What is known of one subject.
    private struct Watched {
        let subject: Subject
        let generation: Int
        var looks = DNSSECLooks()
        var next = ContinuousClock.now

        init(_ subject: Subject) {
            self.subject = subject
            generation = subject.validator.generation
        }

        /// Whether it is still about the same servers.
        func isAbout(_ current: Subject?) -> Bool {
            subject.validator === current?.validator && generation == current?.validator.generation
        }
    }

    func run() async throws {
        var watched: Watched?
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            let current = subject.withLock(\.self)
            if let current {
                if watched?.isAbout(current) != true {
                    metrics.tell(nil)
                    watched = Watched(current)
                }
            } else if watched != nil {
                metrics.tell(nil)
                watched = nil
            }
            if let due = watched, due.next <= .now { watched = await look(due) }
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.pulse) }
        }
    }

    private func look(_ watched: Watched) async -> Watched {
        var watched = watched
        let validator = watched.subject.validator
        let answers = await cancelWhenGracefulShutdown { await DNSSECProbe(validator).answers() }
        // Meanwhile the servers may be others, or the daemon stops: then the answers mean nothing.
        guard !Task.isShuttingDownGracefully, !Task.isCancelled, subject.withLock({ watched.isAbout($0) })
        else { return watched }
        let found = DNSSECStanding(answers, lastSecureAnswer: validator.lastSecureAnswer, now: .now)
        let before = watched.looks.standing
        if case .counts(let standing, let isNew) = watched.looks.take(found) {
            if isNew { log(standing, after: before, watched.subject) }
            metrics.tell(standing)
            switch standing {
            case .works, .worksElsewhere: policies.useDANE(true)
            case .stripped: policies.useDANE(!watched.subject.switchesDANE)
            case .unreachable: break
            }
        }
        watched.next = .now + watched.looks.pause(jitter: .random(in: 0..<1))
        return watched
    }

    private func log(_ standing: DNSSECStanding, after last: DNSSECStanding?, _ subject: Subject) {
        for failure in standing.failed {
            logger.warning(
                "DNSSEC test name does not validate",
                metadata: ["name": "\(failure.question)", "reason": "\(failure.reason)"])
        }
        let names: Logger.Metadata = ["names": "\(standing.failed.map { "\($0.question)" }.joined(separator: ", "))"]
        switch standing {
        case .works(let failed, let doubt):
            if let doubt {
                logger.warning(
                    "DNSSEC validation works, but the bogus test name did not fail", metadata: ["reason": "\(doubt)"])
            }
            if !failed.isEmpty {
                logger.warning("DNSSEC validation works except for some zones, DANE stays on", metadata: names)
            } else if last != nil {
                logger.notice("DNSSEC works, DANE is looked for")
            }
        case .worksElsewhere:
            logger.warning("no DNSSEC test name validates but other names do, DANE stays on", metadata: names)
        case .stripped where !subject.switchesDANE:
            logger.error(
                "DNS servers strip DNSSEC, DANE is looked for in vain: use servers that pass it on", metadata: names)
        case .stripped:
            logger.error("DNS servers strip DNSSEC, DANE is off: use servers that pass it on", metadata: names)
        case .unreachable:
            logger.warning("DNSSEC could not be tried", metadata: names)
        }
    }
}
