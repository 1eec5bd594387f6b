/// What a decision rests on.
struct Grounds: Sendable {
    let standing: Standing
    let dane: DANEStanding
    /// The order for the domain; `none` where there is none.
    let override: Override
    let isObserving: Bool
    let settings: DecisionSettings

    /// What is decided, observe mode apart.
    var decided: Decision { decision(override) }
    /// What Postfix is told.
    var said: Decision { decision(isObserving ? .observe : override) }

    private func decision(_ override: Override) -> Decision {
        Decision(standing, dane: dane, override: override, settings: settings)
    }
}
