import UnboundDNS

/// The results of the DNSSEC probes so far: which result counts, and when the next probe is due.
///
/// Concurrency: a value. Jitter is a parameter, so tests know each interval.
/// Not here: the probe itself (UnboundDNS), its clock and the consequences for DANE (`DNSSECWatch`).
struct DNSSECProbeState: Equatable {
    /// The result that counts; `nil`: none yet.
    private(set) var status: DNSSECStatus?
    /// The last probe found that the servers strip DNSSEC, and no other probe has confirmed it yet.
    private var isUnconfirmed = false

    /// The consequence of one probe.
    enum Update: Equatable {
        /// The result counts. `isNew`: it differs from the previous one in more than the texts of its reasons.
        case accepted(DNSSECStatus, isNew: Bool)
        /// The result counts only if the next probe has the same result.
        case needsConfirmation
    }

    /// Adds the result of a probe.
    ///
    /// If libunbound cannot fetch a key, the zone is bogus for a minute (its BOGUS_KEY_TTL), as if the servers stripped
    /// signatures. So "stripped" counts only if a probe after that minute confirms it.
    mutating func add(_ result: DNSSECStatus) -> Update {
        if case .stripped = result {
            if case .stripped = status {
            } else if !isUnconfirmed {
                isUnconfirmed = true
                return .needsConfirmation
            }
        }
        isUnconfirmed = false
        let isNew = status.map { !result.isSameKind(as: $0) } ?? true
        status = result
        return .accepted(result, isNew: isNew)
    }

    /// Returns the time until the next probe. Jitter makes it unpredictable.
    ///
    /// - Parameter jitter: from 0 up to, not including, 1.
    func interval(jitter: Double) -> Duration {
        if isUnconfirmed { return .seconds(70) + .seconds(30) * jitter }
        if case .works(let failed, _) = status, failed.isEmpty { return .seconds(2_700) + .seconds(1_800) * jitter }
        return .seconds(240) + .seconds(120) * jitter
    }
}

extension DNSSECStatus {
    fileprivate func isSameKind(as other: DNSSECStatus) -> Bool {
        switch (self, other) {
        case (.works(let failed, let warning), .works(let otherFailed, let otherWarning)):
            failed.map(\.question) == otherFailed.map(\.question) && (warning == nil) == (otherWarning == nil)
        case (.worksElsewhere, .worksElsewhere), (.stripped, .stripped), (.unreachable, .unreachable): true
        default: false
        }
    }

    /// The test names that failed validation.
    var failed: [DNSSECProbe.Failure] {
        switch self {
        case .works(let failed, _), .worksElsewhere(let failed), .stripped(let failed), .unreachable(let failed): failed
        }
    }
}
