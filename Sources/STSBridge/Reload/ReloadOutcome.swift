import Admin
import PostfixSettings

/// What became of a configuration that was read again.
enum ReloadOutcome: Equatable, Sendable {
    /// It is in force, but for the keys that take a restart: they keep their old value.
    /// `facts` are those that follow from Postfix's settings.
    case reloaded([ConfigurationChange], facts: [ChangedFact] = [], needsRestart: [String])
    /// It cannot be used, for this reason: the same as at a start. Nothing has changed.
    case refused(String)
}

/// What became of Postfix's settings that were read again.
enum FollowOutcome: Equatable, Sendable {
    /// They are in force; these facts are different now.
    case inForce([ChangedFact])
    /// postconf did not work. Nothing has changed.
    case failed(PostconfFailure)
    /// They contradict the configuration. Nothing has changed.
    case refused(String)
}
