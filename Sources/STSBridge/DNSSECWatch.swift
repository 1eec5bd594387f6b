import Logging
import PolicyService
import ServiceLifecycle
import Synchronization
import UnboundDNS

/// Looks now and then whether the DNS servers let DNSSEC through, tells and counts it, and switches DANE by that where
/// it may.
///
/// Until the first look is done DANE is on: where signatures are stripped every answer fails, and what was never known to
/// be signed has no DANE then. Never blocks the start; changes are told, not looks.
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

    /// While all is well, and while it is not.
    private static let pauses = (well: Duration.seconds(3_600), ill: Duration.seconds(300))
    /// How often it is looked whether a look is due, or whether there is another validator to look through; and how long
    /// a doubt is slept over.
    private static let pulse = Duration.seconds(5)

    /// - Parameter subject: `nil`: there is nothing to watch.
    init(_ subject: Subject?, policies: PolicyService, metrics: DNSSECMetrics, logger: Logger) {
        self.subject = Mutex(subject)
        self.policies = policies
        self.metrics = metrics
        self.logger = logger
    }

    /// From now on DNS is asked by this one; it is looked at within seconds.
    func use(_ subject: Subject?) {
        self.subject.withLock { $0 = subject }
    }

    /// What is known of one subject.
    private struct Watched {
        let subject: Subject
        var standing: DNSSECStanding?
        var next = ContinuousClock.now
    }

    func run() async throws {
        var watched: Watched?
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            let current = subject.withLock(\.self)
            if watched?.subject.validator !== current?.validator {
                metrics.tell(nil)
                watched = current.map { Watched(subject: $0) }
            }
            if let due = watched, due.next <= .now { watched = await look(due) }
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.pulse) }
        }
    }

    private func look(_ watched: Watched) async -> Watched {
        // A zone whose keys could not be had is asked for them anew.
        let validator = watched.subject.validator
        if watched.standing != nil { try? validator.forget() }
        let standing = await standing(through: validator)
        // Meanwhile the servers may be others, or the daemon stops: then it says nothing.
        guard !Task.isCancelled, subject.withLock({ $0?.validator === validator }) else { return watched }
        // The words may differ from time to time.
        let isNews = watched.standing.map { !standing.isSameKind(as: $0) } ?? true
        if isNews { tell(standing, after: watched.standing, watched.subject) }
        metrics.tell(standing)
        switch standing {
        case .works: policies.useDANE(true)
        case .stripped: policies.useDANE(!watched.subject.switchesDANE)
        case .unreachable: break
        }
        let isWell = if case .works = standing { true } else { false }
        let next = ContinuousClock.now + (isWell ? Self.pauses.well : Self.pauses.ill)
        return Watched(subject: watched.subject, standing: standing, next: next)
    }

    /// A key that could not be had makes all of its zone bogus for a while, as if signatures were stripped: so that is
    /// believed only when a second look, with nothing remembered, says the same.
    private func standing(through validator: UnboundValidator) async -> DNSSECStanding {
        let first = await DNSSECProbe(validator).probe()
        guard case .stripped = first else { return first }
        try? validator.forget()
        guard (try? await cancelWhenGracefulShutdown({ try await Task.sleep(for: Self.pulse) })) != nil else {
            return first
        }
        return await DNSSECProbe(validator).probe()
    }

    private func tell(_ standing: DNSSECStanding, after last: DNSSECStanding?, _ subject: Subject) {
        switch standing {
        case .works(let doubt):
            if let doubt { logger.warning("DNSSEC works, with a doubt", metadata: ["reason": "\(doubt)"]) }
            if last != nil { logger.notice("DNSSEC works, DANE is looked for") }
        case .stripped(let reason) where !subject.switchesDANE:
            logger.error(
                "DNS servers strip DNSSEC, DANE is looked for in vain: use servers that pass it on",
                metadata: ["reason": "\(reason)"])
        case .stripped(let reason):
            logger.error(
                "DNS servers strip DNSSEC, DANE is off: use servers that pass it on", metadata: ["reason": "\(reason)"])
        case .unreachable(let reason):
            logger.warning("DNSSEC could not be tried", metadata: ["reason": "\(reason)"])
        }
    }
}

extension DNSSECStanding {
    fileprivate func isSameKind(as other: DNSSECStanding) -> Bool {
        switch (self, other) {
        case (.works(let doubt), .works(let before)): (doubt == nil) == (before == nil)
        case (.stripped, .stripped), (.unreachable, .unreachable): true
        default: false
        }
    }
}
