import AdminAPI
import PolicyCaching

extension Answer {
    init(_ decision: Decision, replies: [String: String], isNew: Bool) {
        self.init(
            rule: DecisionRule(decision.rule), section: decision.rule.section,
            reason: decision.explanation(isNew: isNew), replies: replies)
    }
}

extension Decision.Rule {
    /// The section of the standard behind the rule; `nil`: the operator set it.
    fileprivate var section: String? {
        switch self {
        case .observe, .exempt, .pin: nil
        case .dane: "RFC 7672 §2.2, RFC 8461 §2"
        case .danePartial: "RFC 7672 §2.2, RFC 8461 §2"
        case .daneUnknown: "RFC 7672 §2.1.2"
        case .enforce, .testing: "RFC 8461 §5"
        case .none: "RFC 8461 §5, §8.3"
        case .noPolicy: "RFC 8461 §3.1"
        case .unknown: "RFC 8461 §3.3"
        }
    }
}

extension Decision {
    /// One or two sentences for an operator who looks into a message.
    fileprivate func explanation(isNew: Bool) -> String {
        switch rule {
        case .observe:
            "Observe mode is on: every lookup is answered \"not found\", and Postfix's own level applies."
        case .exempt:
            action == .may
                ? "The operator exempted the domain: TLS where it is offered, without a check of the certificate."
                : "The operator exempted the domain: Postfix's own level applies."
        case .pin: pinExplanation
        case .dane, .danePartial, .daneUnknown: daneExplanation
        case .enforce:
            "The domain's policy is in mode enforce: mail goes only to an authenticated host that it names."
        case .testing:
            action == .notFound
                ? "The domain's policy is in mode testing: mail goes as without a policy."
                : "The domain's policy is in mode testing, and policy.enforce-testing enforces it."
        case .none:
            "The domain's policy is in mode none: the domain does not use MTA-STS any more."
        case .noPolicy:
            "The domain publishes no usable MTA-STS record."
        case .unknown: unknownExplanation(isNew: isNew)
        }
    }

    private var pinExplanation: String {
        switch action {
        case .secureByNames:
            "The operator pinned the domain: mail goes only to an authenticated host that the pin names."
        case .deferred:
            "The operator pinned the domain without names, and no policy with names is known: mail waits."
        default: "The operator pinned the domain: mail goes only to an authenticated host that its policy names."
        }
    }

    private var daneExplanation: String {
        let cause =
            switch rule {
            case .dane: "Each MX host has TLSA records that Postfix can use, and DANE goes before MTA-STS"
            case .danePartial: "Only some MX hosts have TLSA records, or Postfix cannot use them"
            default: "Whether DANE applies could not be found out below a signed name"
            }
        return switch action {
        case .daneOnly: "\(cause); because the policy is enforced, mail goes to no host without them."
        case .secure: "\(cause): the enforced policy protects every host."
        case .deferred: "\(cause), and the domain's policy is in mode enforce: mail waits and is not sent unprotected."
        case .notFound: "\(cause); the site's own level demands more than dane would, so it stays in force."
        default: "\(cause): Postfix checks each host with DANE itself."
        }
    }

    private func unknownExplanation(isNew: Bool) -> String {
        if isNew {
            return "Postfix has not looked the domain up yet. The next lookup starts a discovery; this is the reply if "
                + "that takes too long."
        }
        if case .deferred = action {
            return "Whether the domain has a policy could not be found out: mail waits because of lookup.on-unknown."
        }
        return
            "Whether the domain has a policy could not be found out, and none is cached: mail goes as without MTA-STS."
    }
}
