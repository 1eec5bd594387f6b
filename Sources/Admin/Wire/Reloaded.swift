/// What a reload of the configuration has changed.
package struct Reloaded: WireValue, Equatable {
    package let changed: [String]
    /// `nil` from a daemon of an older version.
    package let facts: [ChangedFact]?
    package let needsRestart: [String]

    package init(changed: [String], facts: [ChangedFact] = [], needsRestart: [String] = []) {
        self.changed = changed
        self.facts = facts
        self.needsRestart = needsRestart
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Reloaded", "What a reload has changed.",
            [
                .always("changed", .list(.text("log.level"), "Keys whose new value is in force.")),
                .sometimes(
                    "facts",
                    .list(.object(ChangedFact.schema), "What is different because Postfix or this host is.")),
                .always("needsRestart", .list(.text("cache.path"), "Keys whose new value waits for a restart.")),
            ])
    }
}

/// Something that follows from Postfix's settings and is different now.
package struct ChangedFact: WireValue, Equatable {
    package let name: String
    package let from: String
    package let to: String

    package init(name: String, from: String, to: String) {
        self.name = name
        self.from = from
        self.to = to
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "ChangedFact", "Something that follows from Postfix's settings and is different now.",
            [
                .always("name", .text("dialect, dane or security-level.")),
                .always("from", .text("The value before.")),
                .always("to", .text("The value in force.")),
            ])
    }
}

/// Why the new configuration is not in force; the old one stays.
package struct ReloadRefusal: Error, Equatable, Sendable {
    package let reason: String

    package init(_ reason: String) {
        self.reason = reason
    }
}
