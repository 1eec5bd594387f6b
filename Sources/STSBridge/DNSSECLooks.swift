import UnboundDNS

/// What the probes of DNSSEC come to: which result counts, and when to probe again.
///
/// Concurrency: a value. Jitter is a parameter, so a test knows each pause.
/// Not here: the probe itself (UnboundDNS), its schedule's clock and what follows for DANE (DNSSECWatch).
struct DNSSECLooks: Equatable {
    /// The result that counts; `nil`: there is none yet.
    private(set) var standing: DNSSECStanding?
    /// The last probe found that nothing validates, and nothing has confirmed that yet.
    private var isSuspicious = false

    /// What follows from one probe.
    enum Verdict: Equatable {
        /// The result counts. `isNew`: it differs from the one before in more than the wording of its reasons.
        case counts(DNSSECStanding, isNew: Bool)
        /// The result needs another one like it.
        case needsConfirmation
    }

    /// A key that could not be fetched makes its zone bogus for a minute (libunbound's BOGUS_KEY_TTL), as if signatures
    /// were stripped. So "stripped" counts only when a probe after that minute finds the same.
    mutating func take(_ found: DNSSECStanding) -> Verdict {
        if case .stripped = found {
            if case .stripped = standing {
            } else if !isSuspicious {
                isSuspicious = true
                return .needsConfirmation
            }
        }
        isSuspicious = false
        let isNew = standing.map { !found.isSameKind(as: $0) } ?? true
        standing = found
        return .counts(found, isNew: isNew)
    }

    /// How long to wait until the next probe. Jitter keeps its moment from being known.
    ///
    /// - Parameter jitter: from 0 up to, not including, 1.
    func pause(jitter: Double) -> Duration {
        if isSuspicious { return .seconds(70) + .seconds(30) * jitter }
        if case .works(let failed, _) = standing, failed.isEmpty { return .seconds(2_700) + .seconds(1_800) * jitter }
        return .seconds(240) + .seconds(120) * jitter
    }
}

extension DNSSECStanding {
    fileprivate func isSameKind(as other: DNSSECStanding) -> Bool {
        switch (self, other) {
        case (.works(let failed, let doubt), .works(let before, let doubtBefore)):
            failed.map(\.question) == before.map(\.question) && (doubt == nil) == (doubtBefore == nil)
        case (.worksElsewhere, .worksElsewhere), (.stripped, .stripped), (.unreachable, .unreachable): true
        default: false
        }
    }

    /// The probe's names that do not validate.
    var failed: [DNSSECProbe.Failure] {
        switch self {
        case .works(let failed, _), .worksElsewhere(let failed), .stripped(let failed), .unreachable(let failed): failed
        }
    }
}
