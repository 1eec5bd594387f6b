/// What a reload of the configuration has changed.
package struct Reloaded: WireValue, Equatable {
    package let changed: [String]
    package let needsRestart: [String]

    package init(changed: [String], needsRestart: [String] = []) {
        self.changed = changed
        self.needsRestart = needsRestart
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Reloaded", "What a reload has changed.",
            [
                .always("changed", .list(.text("log.level"), "Keys whose new value is in force.")),
                .always("needsRestart", .list(.text("cache.path"), "Keys whose new value waits for a restart.")),
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
