import MTASTS
import PolicyService
import PostfixTable

extension TableReply {
    /// The words for a decision about `domain`.
    package init(_ decision: Decision, for domain: PolicyDomain) {
        switch decision.action {
        case .notFound:
            self = .notFound
        case .secure(let held):
            if let match = SecureMatch(domain: domain, policy: held.policy, text: held.text) {
                self = .entry(.secure(match))
            } else {
                // Not "not found": the domain demands authentication, it only names nobody who could give it.
                self = .temporary(Reason("policy of \(domain) lists no usable mx"))
            }
        case .deferred(let ignorance):
            self = .temporary(Reason("policy of \(domain) unknown: \(ignorance)"))
        }
    }
}
