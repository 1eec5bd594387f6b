import MTASTS
import PolicyCaching
import PostfixTable
import TextFormats

extension TableReply {
    /// The reply for a decision about `domain`.
    package init(_ decision: Decision, for domain: PolicyDomain) {
        switch decision.action {
        case .notFound:
            self = .notFound
        case .secure(let cached):
            if let match = SecureMatch(domain: domain, policy: cached.policy) {
                self = .entry(.secure(match))
            } else {
                // Not "not found": the domain requires authentication, but names no host that could pass it.
                self = .temporary(TemporaryReason("policy of \(domain) lists no usable mx"))
            }
        case .secureByNames(let names):
            if let match = SecureMatch(domain: domain, pinned: names) {
                self = .entry(.secure(match))
            } else {
                self = .temporary(TemporaryReason("\(domain) is pinned to names that no host can have"))
            }
        case .dane: self = .entry(.dane)
        case .daneOnly: self = .entry(.daneOnly)
        case .may: self = .entry(.may)
        case .encrypt: self = .entry(.encrypt)
        case .cleartext: self = .entry(.cleartext)
        case .deferred(.policy(let reason)):
            self = .temporary(TemporaryReason("policy of \(Self.short(domain)) unknown: \(reason)"))
        case .deferred(.dane(let reason)):
            self = .temporary(TemporaryReason("DANE of \(Self.short(domain)) unknown: \(reason)"))
        case .deferred(.pinWithoutNames):
            self = .temporary(TemporaryReason("\(domain) is \(Decision.Deferral.pinWithoutNames)"))
        }
    }

    /// Truncates a long name, to leave space for the failed query and its cause.
    private static func short(_ domain: PolicyDomain) -> String {
        UntrustedText.printable("\(domain)", limit: 60)
    }
}
