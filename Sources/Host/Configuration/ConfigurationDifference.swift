/// A key whose value changes. Both values are in the form that `config print` writes.
package struct ConfigurationChange: Equatable, Sendable {
    package let key: String
    package let old: String
    package let new: String

    package init(key: String, old: String, new: String) {
        self.key = key
        self.old = old
        self.new = new
    }
}

/// The difference between the current configuration and one that was read for a reload.
package struct ConfigurationDifference {
    /// The new configuration, with the old value of each key that needs a restart.
    package let configuration: Configuration
    /// The changes from the current configuration to `configuration`, in the order of the file.
    package let changes: [ConfigurationChange]
    /// The names of changed keys that keep their old value until a restart.
    package let needsRestart: [String]

    package init(from old: Configuration, to new: Configuration) {
        var effective = new
        var changes: [ConfigurationChange] = []
        var needsRestart: [String] = []
        for key in ConfigurationKey.all {
            let (oldTexts, newTexts) = (key.texts(old), key.texts(new))
            guard oldTexts != newTexts else { continue }
            if key.needsRestart {
                needsRestart.append(key.name)
                // A key accepts each text that it writes.
                _ = key.set(oldTexts, &effective)
            } else {
                changes.append(
                    ConfigurationChange(
                        key: key.name, old: oldTexts.joined(separator: ","), new: newTexts.joined(separator: ",")))
            }
        }
        configuration = effective
        self.changes = changes
        self.needsRestart = needsRestart
    }
}
