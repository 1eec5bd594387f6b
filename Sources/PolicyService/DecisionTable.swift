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
            return Decision(rule: .dane, action: enforced == nil ? settings.dane : .daneOnly)
        case .partial:
            // `secure` protects every host; `dane` would leave those without TLSA open.
            return Decision(rule: .danePartial, action: enforced.map(Action.secure) ?? settings.dane)
        case .unknown(let someHostHasNone):
            guard let enforced else { return Decision(rule: .daneUnknown, action: settings.dane) }
            if someHostHasNone { return Decision(rule: .daneUnknown, action: .secure(enforced)) }
            return Decision(
                rule: .daneUnknown, action: .deferred(.dane(reason ?? "discovery not finished in time")))
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
    fileprivate var isMissingAnswers: Bool {
        guard case .known(_, let reason) = self else { return false }
        return reason != nil
    }
}

extension DecisionSettings {
    fileprivate var dane: Decision.Action { mayAnswerDANE ? .dane : .notFound }

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
