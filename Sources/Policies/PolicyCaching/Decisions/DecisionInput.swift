/// Everything that a decision depends on.
package struct DecisionInput: Sendable {
    package let status: PolicyStatus
    package let dane: DANEStatus
    /// The effect of the domain's override.
    package let override: OverrideEffect
    package let isObserving: Bool
    package let settings: DecisionSettings

    package init(
        status: PolicyStatus, dane: DANEStatus, override: OverrideEffect, isObserving: Bool,
        settings: DecisionSettings
    ) {
        self.status = status
        self.dane = dane
        self.override = override
        self.isObserving = isObserving
        self.settings = settings
    }

    /// The decision without observe mode.
    package var underlying: Decision { decision(override) }
    /// The decision that Postfix gets.
    package var effective: Decision { decision(isObserving ? .observe : override) }

    private func decision(_ override: OverrideEffect) -> Decision {
        Decision(status, dane: dane, override: override, settings: settings)
    }
}
