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
        case .secureByNames(let names):
            if let match = SecureMatch(domain: domain, pinned: names) {
                self = .entry(.secure(match))
            } else {
                self = .temporary(Reason("\(domain) is pinned to names that no host can have"))
            }
        case .dane: self = .entry(.dane)
        case .daneOnly: self = .entry(.daneOnly)
        case .may: self = .entry(.may)
        case .encrypt: self = .entry(.encrypt)
        case .cleartext: self = .entry(.cleartext)
        case .deferred(.policy(let ignorance)):
            self = .temporary(Reason("policy of \(Self.short(domain)) unknown: \(ignorance)"))
        case .deferred(.dane(let reason)):
            self = .temporary(Reason("DANE of \(Self.short(domain)) unknown: \(reason)"))
        case .deferred(.pinWithoutNames):
            self = .temporary(Reason("\(domain) is \(Decision.Deferral.pinWithoutNames)"))
        }
    }

    /// A long name is cut, so that room is left for the question that failed and why.
    private static func short(_ domain: PolicyDomain) -> String {
        RemoteText.printable("\(domain)", limit: 60)
    }
}
