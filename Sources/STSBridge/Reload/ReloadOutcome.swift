/// What became of a configuration that was read again.
enum ReloadOutcome: Equatable, Sendable {
    /// It is in force, but for the keys that take a restart: they keep their old value.
    case reloaded([ConfigurationChange], needsRestart: [String])
    /// It cannot be used, for this reason: the same as at a start. Nothing has changed.
    case refused(String)
}
