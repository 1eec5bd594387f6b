import DANE

/// The decision table, row by row; the first that matches wins. See Documentation/decisions.md.
extension Decision {
    package init(
        _ status: PolicyStatus, dane: DANEStatus = .off, override: OverrideEffect = .none, settings: DecisionSettings
    ) {
        self =
            Self.overridden(by: override, status: status)
            ?? Self.dane(dane, status: status, settings: settings)
            ?? Self.policy(status, dane: dane, settings: settings)
    }

    private static func overridden(by override: OverrideEffect, status: PolicyStatus) -> Decision? {
        switch override {
        case .none:
            return nil
        case .observe:
            return Decision(rule: .observe, action: .notFound)
        case .exempt(let mayEncrypt):
            return Decision(rule: .exempt, action: mayEncrypt ? .may : .notFound)
        case .pin(let names):
            if !names.isEmpty { return Decision(rule: .pin, action: .secureByNames(names)) }
            guard case .policy(let cached) = status, cached.policy.namesHost else {
                return Decision(rule: .pin, action: .deferred(.pinWithoutNames))
            }
            return Decision(rule: .pin, action: .secure(cached))
        }
    }

    /// RFC 8461 §2: MTA-STS must not override DANE if DANE fails. RFC 7672 §2.2: a failed lookup is not "no DANE".
    private static func dane(_ dane: DANEStatus, status: PolicyStatus, settings: DecisionSettings) -> Decision? {
        guard case .known(let coverage, let reason) = dane else { return nil }
        let enforced = status.enforced(settings)
        switch coverage {
        case .notApplicable:
            return nil
        case .complete:
            return Decision(
                rule: .dane, action: enforced.map { action(for: .complete, enforced: $0) } ?? settings.daneEverywhere)
        case .partial:
            return Decision(
                rule: .danePartial, action: enforced.map { action(for: .partial, enforced: $0) } ?? settings.dane)
        case .unknown(let completions):
            guard let enforced else { return Decision(rule: .daneUnknown, action: settings.dane) }
            // Mail is deferred only if the missing answers can change the decision.
            let actions = completions.map { action(for: $0, enforced: enforced) }
            if let first = actions.first, actions.allSatisfy({ $0 == first }) {
                return Decision(rule: .daneUnknown, action: first)
            }
            return Decision(
                rule: .daneUnknown, action: .deferred(.dane(reason ?? "discovery not finished in time")))
        }
    }

    /// The action for a DANE coverage with an enforced policy. `secure` protects every host; `dane` does not protect hosts
    /// without TLSA records.
    private static func action(for coverage: DANECoverage.Completion, enforced: CachedPolicy) -> Action {
        switch coverage {
        case .complete: .daneOnly
        case .partial, .notApplicable: .secure(enforced)
        }
    }

    private static func policy(
        _ status: PolicyStatus, dane: DANEStatus, settings: DecisionSettings
    ) -> Decision {
        // If something is unknown, TLS is not switched off.
        let action = settings.withoutPolicy
        let unsure = action == .cleartext ? Action.notFound : action
        let withoutPolicy = dane.isMissingAnswers ? unsure : action
        switch status {
        case .policy(let cached):
            switch cached.policy.mode {
            case .enforce:
                return Decision(rule: .enforce, action: .secure(cached))
            case .testing:
                // RFC 8461 §5: deliver as if nothing had failed.
                return Decision(rule: .testing, action: settings.enforceTesting ? .secure(cached) : .notFound)
            case .none:
                return Decision(rule: .none, action: withoutPolicy)
            }
        case .noPolicy:
            return Decision(rule: .noPolicy, action: withoutPolicy)
        case .unknown(let reason):
            if settings.onUnknown == .defer { return Decision(rule: .unknown, action: .deferred(.policy(reason))) }
            return Decision(rule: .unknown, action: unsure)
        }
    }
}

extension PolicyStatus {
    /// The policy, if it requires authenticated hosts.
    fileprivate func enforced(_ settings: DecisionSettings) -> CachedPolicy? {
        guard case .policy(let cached) = self else { return nil }
        switch cached.policy.mode {
        case .enforce: return cached
        case .testing: return settings.enforceTesting ? cached : nil
        case .none: return nil
        }
    }
}

extension DANEStatus {
    /// DANE is on, and an answer is missing.
    var isMissingAnswers: Bool {
        guard case .known(_, let reason) = self else { return false }
        return reason != nil
    }
}

extension DecisionSettings {
    fileprivate var dane: Decision.Action { daneReply == .dane ? .dane : .notFound }

    /// The reply if every host has usable TLSA records. It weakens no site's level (RFC 7672 §2.2).
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
