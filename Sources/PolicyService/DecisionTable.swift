import DANE

/// The decision table, row by row; the first that matches wins. README, "How it decides".
extension Decision {
    package init(
        _ standing: Standing, dane: DANEStanding = .off, override: Override = .none, settings: DecisionSettings
    ) {
        self =
            Self.overridden(override, standing)
            ?? Self.dane(dane, standing, settings)
            ?? Self.policy(standing, dane, settings)
    }

    private static func overridden(_ override: Override, _ standing: Standing) -> Decision? {
        switch override {
        case .none:
            return nil
        case .observe:
            return Decision(rule: .observe, action: .notFound)
        case .exempt(let mayEncrypt):
            return Decision(rule: .exempt, action: mayEncrypt ? .may : .notFound)
        case .pin(let names):
            if !names.isEmpty { return Decision(rule: .pin, action: .secureByNames(names)) }
            guard case .policy(let held) = standing, !held.policy.hostPatterns.isEmpty else {
                return Decision(rule: .pin, action: .deferred(.pinWithoutNames))
            }
            return Decision(rule: .pin, action: .secure(held))
        }
    }

    /// RFC 8461 §2: MTA-STS must not override DANE where DANE fails; RFC 7672 §2.2: a failed lookup is not "no DANE".
    private static func dane(_ dane: DANEStanding, _ standing: Standing, _ settings: DecisionSettings) -> Decision? {
        guard case .known(let coverage, let reason) = dane else { return nil }
        let enforced = standing.enforced(settings)
        switch coverage {
        case .notApplicable:
            return nil
        case .complete:
            return Decision(rule: .dane, action: enforced.map { action(of: .complete, $0) } ?? settings.daneEverywhere)
        case .partial:
            return Decision(rule: .danePartial, action: enforced.map { action(of: .partial, $0) } ?? settings.dane)
        case .unknown(let completions):
            guard let enforced else { return Decision(rule: .daneUnknown, action: settings.dane) }
            // Mail waits only where the missing answers can change what Postfix is to do.
            let actions = completions.map { action(of: $0, enforced) }
            if let first = actions.first, actions.allSatisfy({ $0 == first }) {
                return Decision(rule: .daneUnknown, action: first)
            }
            return Decision(
                rule: .daneUnknown, action: .deferred(.dane(reason ?? "discovery not finished in time")))
        }
    }

    /// What a coverage means beside an enforced policy. `secure` protects every host; `dane` would leave those without
    /// TLSA records open.
    private static func action(of coverage: Coverage.Completion, _ enforced: HeldPolicy) -> Action {
        switch coverage {
        case .complete: .daneOnly
        case .partial, .notApplicable: .secure(enforced)
        }
    }

    private static func policy(
        _ standing: Standing, _ dane: DANEStanding, _ settings: DecisionSettings
    ) -> Decision {
        // Switching TLS off takes more than not knowing.
        let action = settings.withoutPolicy
        let unsure = action == .cleartext ? Action.notFound : action
        let withoutPolicy = dane.isMissingAnswers ? unsure : action
        switch standing {
        case .policy(let held):
            switch held.policy.mode {
            case .enforce:
                return Decision(rule: .enforce, action: .secure(held))
            case .testing:
                // RFC 8461 §5: deliver as if nothing had failed.
                return Decision(rule: .testing, action: settings.enforceTesting ? .secure(held) : .notFound)
            case .none:
                return Decision(rule: .none, action: withoutPolicy)
            }
        case .noPolicy:
            return Decision(rule: .noPolicy, action: withoutPolicy)
        case .unknown(let ignorance):
            if settings.onUnknown == .defer { return Decision(rule: .unknown, action: .deferred(.policy(ignorance))) }
            return Decision(rule: .unknown, action: unsure)
        }
    }
}

extension Standing {
    /// The policy that demands authenticated hosts, if one does.
    fileprivate func enforced(_ settings: DecisionSettings) -> HeldPolicy? {
        guard case .policy(let held) = self else { return nil }
        switch held.policy.mode {
        case .enforce: return held
        case .testing: return settings.enforceTesting ? held : nil
        case .none: return nil
        }
    }
}

extension DANEStanding {
    /// DANE is looked for, and something could not be found out, or not yet.
    var isMissingAnswers: Bool {
        guard case .known(_, let reason) = self else { return false }
        return reason != nil
    }
}

extension DecisionSettings {
    fileprivate var dane: Decision.Action { daneReply == .dane ? .dane : .notFound }

    /// Where every host has usable TLSA records, so that no site's level is weakened by asking for them (RFC 7672 §2.2).
    fileprivate var daneEverywhere: Decision.Action {
        switch daneReply {
        case .dane: .dane
        case .daneOnly: .daneOnly
        case .notFound: .notFound
        }
    }

    fileprivate var withoutPolicy: Decision.Action {
        switch noPolicyReply {
        case .notFound: .notFound
        case .may: .may
        case .encrypt: .encrypt
        case .dane: dane
        case .none: .cleartext
        }
    }
}
