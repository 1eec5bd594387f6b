import PolicyService

/// Whether Postfix is told nothing for now, and who says so.
package struct Observation: WireValue, Equatable {
    package let observing: Bool
    package let configured: Bool
    package let author: String?
    package let since: Timestamp?
    package let kept: Bool?
    package let warning: String?

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Observation", "Whether Postfix is told nothing, so that one can see what it would be told.",
            [
                .always("observing", .flag("Observe mode is on.")),
                .always("configured", .flag("policy.observe switches it on; no order switches it off then.")),
                .sometimes("author", .text("Who gave the last order, to switch it on or off.")),
                .sometimes("since", .time("When.")),
                .sometimes("kept", .flag("Whether the order just given is written down.")),
                .sometimes("warning", .text("Why it is not written down.")),
            ])
    }
}

/// A request to switch observe mode.
package struct ObservationOrder: WireValue, Equatable {
    package let observing: Bool

    package init(observing: Bool) {
        self.observing = observing
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "ObservationOrder", "An order to switch observe mode.",
            [.always("observing", .flag("On, or off."))])
    }
}

extension Observation {
    init(_ observing: Observing, _ outcome: OrderOutcome? = nil) {
        self.observing = observing.isOn
        configured = observing.isConfigured
        author = observing.order?.author
        since = observing.order.map { Timestamp($0.since) }
        kept = outcome?.receipt.kept
        warning = outcome?.receipt.warning
    }
}
