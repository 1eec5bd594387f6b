import MTASTS

/// What Postfix is to do, and the rule that says so.
package struct Decision: Equatable, Sendable {
    /// The rows of the decision table; `explain` and the log name them.
    package enum Rule: String, Sendable {
        case enforce
        case testing
        case none
        case noPolicy = "no-policy"
        case unknown
    }

    package enum Action: Equatable, Sendable {
        /// No opinion: the site's own level stays in force.
        case notFound
        /// Deliver only to an authenticated MX of this policy.
        case secure(HeldPolicy)
        /// Not now: the reason is for the operator's mail log.
        case deferred(Ignorance)
    }

    package let rule: Rule
    package let action: Action

    package init(rule: Rule, action: Action) {
        self.rule = rule
        self.action = action
    }
}

/// The site's choices in the decision.
package struct DecisionSettings: Equatable, Sendable {
    package enum OnUnknown: String, CaseIterable, Sendable {
        /// As without MTA-STS, which RFC 8461 §3.3 demands where nothing is held.
        case deliver
        case `defer`
    }

    package var onUnknown = OnUnknown.deliver
    /// Treat `testing` like `enforce`.
    package var enforceTesting = false

    package init(onUnknown: OnUnknown = .deliver, enforceTesting: Bool = false) {
        self.onUnknown = onUnknown
        self.enforceTesting = enforceTesting
    }
}

extension Decision {
    /// The decision table, row by row; the first that matches wins.
    package init(_ standing: Standing, settings: DecisionSettings) {
        switch standing {
        case .policy(let held):
            switch held.policy.mode {
            case .enforce:
                self.init(rule: .enforce, action: .secure(held))
            case .testing:
                // RFC 8461 §5: deliver as if nothing had failed.
                self.init(rule: .testing, action: settings.enforceTesting ? .secure(held) : .notFound)
            case .none:
                self.init(rule: .none, action: .notFound)
            }
        case .noPolicy:
            self.init(rule: .noPolicy, action: .notFound)
        case .unknown(let ignorance):
            switch settings.onUnknown {
            case .deliver: self.init(rule: .unknown, action: .notFound)
            case .defer: self.init(rule: .unknown, action: .deferred(ignorance))
            }
        }
    }
}
