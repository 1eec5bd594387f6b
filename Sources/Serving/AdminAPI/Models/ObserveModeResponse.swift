/// Whether observe mode is on, and who switched it last.
package struct ObserveModeResponse: APIModel, Equatable {
    package let observing: Bool
    package let configured: Bool
    package let author: String?
    package let since: Timestamp?
    package let saved: Bool?
    package let warning: String?

    package init(
        observing: Bool, configured: Bool, author: String?, since: Timestamp?, saved: Bool?, warning: String?
    ) {
        self.observing = observing
        self.configured = configured
        self.author = author
        self.since = since
        self.saved = saved
        self.warning = warning
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "ObserveModeResponse", summary: "Whether every lookup is answered \"not found\", for observation only.",
            properties: [
                .required("observing", as: .flag("Observe mode is on.")),
                .required("configured", as: .flag("policy.observe switches it on; no request can switch it off then.")),
                .optional("author", as: .text("The user who last switched it on or off.")),
                .optional("since", as: .time("When that was.")),
                .optional("saved", as: .flag("Whether the cache file has this change; otherwise a restart loses it.")),
                .optional("warning", as: .text("Why the cache file does not have it.")),
            ])
    }
}

/// A request to switch observe mode.
package struct ObserveModeRequest: APIModel, Equatable {
    package let observing: Bool

    package init(observing: Bool) {
        self.observing = observing
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "ObserveModeRequest", summary: "A request to switch observe mode.",
            properties: [.required("observing", as: .flag("On, or off."))])
    }
}
