import PolicyService

extension Answer {
    init(_ decision: Decision, _ replies: [String: String], isNew: Bool) {
        self.init(
            rule: decision.rule.rawValue, section: decision.rule.section, why: decision.why(isNew: isNew),
            replies: replies)
    }
}

extension Decision.Rule {
    /// Where the standard says so; `nil`: the operator says so.
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
    /// In a sentence or two, for somebody who wonders about a mail.
    fileprivate func why(isNew: Bool) -> String {
        switch rule {
        case .observe:
            "Observe mode is on: Postfix is told nothing, and its own level applies."
        case .exempt:
            action == .may
                ? "The operator exempted the domain: TLS where it is offered, and no certificate is demanded."
                : "The operator exempted the domain: Postfix's own level applies."
        case .pin: whyPinned
        case .dane, .danePartial, .daneUnknown: whyDANE
        case .enforce:
            "The domain's policy says enforce: only an authenticated host that it names gets the mail."
        case .testing:
            action == .notFound
                ? "The domain's policy says testing: mail goes as if there were none."
                : "The domain's policy says testing, and policy.enforce-testing has it enforced."
        case .none:
            "The domain's policy says none: it takes its promise back."
        case .noPolicy:
            "The domain publishes no usable MTA-STS record."
        case .unknown: whyUnknown(isNew: isNew)
        }
    }

    private var whyPinned: String {
        switch action {
        case .secureByNames:
            "The operator pinned the domain: only an authenticated host of the pin's names gets the mail."
        case .deferred:
            "The operator pinned the domain without names, and no policy is known that has some: mail waits."
        default: "The operator pinned the domain: only an authenticated host that its policy names gets the mail."
        }
    }

    private var whyDANE: String {
        let found =
            switch rule {
            case .dane: "Each MX host has TLSA records that Postfix can use, and DANE goes before MTA-STS"
            case .danePartial: "Some MX hosts only have TLSA records, or they cannot be used"
            default: "Whether DANE applies could not be found out below a signed name"
            }
        return switch action {
        case .daneOnly: "\(found); for the enforced policy no host without them is used."
        case .secure: "\(found): the enforced policy protects the whole way."
        case .deferred: "\(found), and the domain's policy says enforce: mail waits rather than go unprotected."
        case .notFound: "\(found); the site's own level demands more than dane would, so it stays in force."
        default: "\(found): Postfix judges each host by DANE itself."
        }
    }

    private func whyUnknown(isNew: Bool) -> String {
        if isNew {
            return
                "Nobody has asked for the domain yet. The next lookup finds out; this is the answer if that takes too long."
        }
        if case .deferred = action {
            return "Whether the domain has a policy could not be found out, and lookup.on-unknown has mail wait."
        }
        return "Whether the domain has a policy could not be found out, and none is held: mail goes as without MTA-STS."
    }
}
