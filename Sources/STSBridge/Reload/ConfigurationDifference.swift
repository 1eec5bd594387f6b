/// A key whose value is another one now, both as `config print` writes them.
struct ConfigurationChange: Equatable, Sendable {
    let key: String
    let old: String
    let new: String
}

/// What lies between the configuration in force and one that was read again.
struct ConfigurationDifference {
    /// What can be in force now: the new one, with old values where it takes a restart.
    let configuration: Configuration
    /// Between the one in force and `configuration`, in the order of the file.
    let changes: [ConfigurationChange]
    /// Keys that keep their old value until a restart.
    let needsRestart: [String]

    init(from old: Configuration, to new: Configuration) {
        var possible = new
        var changes: [ConfigurationChange] = []
        var needsRestart: [String] = []
        for key in ConfigurationKey.all {
            let (before, after) = (key.texts(old), key.texts(new))
            guard before != after else { continue }
            if key.takesRestart {
                needsRestart.append(key.name)
                // A text that was written from a value is one that the key takes.
                _ = key.set(before, &possible)
            } else {
                changes.append(
                    ConfigurationChange(
                        key: key.name, old: before.joined(separator: ","), new: after.joined(separator: ",")))
            }
        }
        configuration = possible
        self.changes = changes
        self.needsRestart = needsRestart
    }
}
