/// The changes that a reload of the configuration made.
package struct ReloadResponse: APIModel, Equatable {
    package let changed: [String]
    /// `nil` from a daemon of an older version.
    package let changedSettings: [ChangedSetting]?
    package let needsRestart: [String]

    package init(changed: [String], changedSettings: [ChangedSetting] = [], needsRestart: [String] = []) {
        self.changed = changed
        self.changedSettings = changedSettings
        self.needsRestart = needsRestart
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "ReloadResponse", summary: "The changes that a reload made.",
            properties: [
                .required("changed", as: .list(.text("log.level"), "Keys whose new value is in force.")),
                .optional(
                    "changedSettings",
                    as: .list(
                        .object(ChangedSetting.schema), "Values that follow from Postfix's settings and changed.")),
                .required("needsRestart", as: .list(.text("cache.path"), "Keys whose new value needs a restart.")),
            ])
    }
}

/// A value that follows from Postfix's settings and changed.
package struct ChangedSetting: APIModel, Equatable {
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
            "ChangedSetting", summary: "A value that follows from Postfix's settings and changed.",
            properties: [
                .required("name", as: .text("dialect, dane or security-level.")),
                .required("from", as: .text("The value before.")),
                .required("to", as: .text("The value in force.")),
            ])
    }
}
