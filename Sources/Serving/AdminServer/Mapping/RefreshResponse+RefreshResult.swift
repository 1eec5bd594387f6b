import AdminAPI
import MTASTS
import PolicyCaching
import TextFormats

extension RefreshResponse {
    init(_ result: RefreshResult, of domain: PolicyDomain, now: WallTime) {
        let (outcome, text) = Self.details(result.outcome)
        var policy: PolicyDetails?
        if case .policy(let cached) = result.status {
            policy = PolicyDetails(cached, isApplied: cached.applies(at: now))
        }
        self.init(
            domain: domain.name.text, outcome: outcome, text: text,
            record: result.record.map { RecordDetails.details($0).text }, state: result.status.state, policy: policy)
    }

    private static func details(_ outcome: RefreshResult.Outcome) -> (Outcome, String) {
        switch outcome {
        case .renewed(let cached):
            (.renewed, "same policy, now expires at \(RFC3339.clampedText(of: cached.expiresAt))")
        case .changed(nil, let new): (.changed, "first policy: \(new.summary)")
        case .changed(let old?, let new): (.changed, "was \(old.summary); is \(new.summary)")
        case .noRecord(let absence): (.noRecord, Sanitized.text(absence))
        case .recordFailed(let error): (.recordFailed, Sanitized.text(error))
        case .fetchFailed(let error): (.fetchFailed, Sanitized.text(error))
        case .unfinished: (.unfinished, "the daemon is stopping")
        }
    }
}

extension CachedPolicy {
    /// `enforce, id 1, max_age 604800, mx.example.com,*.example.net`.
    fileprivate var summary: String {
        let names =
            policy.mx.prefix(5).map(\.description) + (policy.mx.count > 5 ? ["and \(policy.mx.count - 5) more"] : [])
        return "\(policy.mode.rawValue), id \(id), max_age \(policy.maxAge), \(names.joined(separator: " "))"
    }
}

extension PolicyStatus {
    fileprivate var state: DomainState {
        switch self {
        case .policy(let cached):
            switch cached.policy.mode {
            case .enforce: .enforce
            case .testing: .testing
            case .none: .none
            }
        case .noPolicy: .noPolicy
        case .unknown: .unknown
        }
    }
}
