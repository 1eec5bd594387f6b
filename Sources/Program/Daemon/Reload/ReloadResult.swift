import AdminAPI
import BridgeConfiguration
import PostfixConfig

/// The result of a reload.
enum ReloadResult: Equatable, Sendable {
    /// The new configuration applies, except for the keys in `needsRestart`, which keep their old value.
    /// `settings`: the changed settings that follow from Postfix's.
    case reloaded([ConfigurationChange], settings: [ChangedSetting] = [], needsRestart: [String])
    /// The new configuration is not valid, for the same reason as at a start. Nothing has changed.
    case rejected(String)
}

/// The result of reading Postfix's settings again.
enum PostfixUpdateResult: Equatable, Sendable {
    /// The settings apply; these have changed.
    case applied([ChangedSetting])
    /// postconf failed. Nothing has changed.
    case failed(PostconfError)
    /// The settings contradict the configuration. Nothing has changed.
    case rejected(String)
}
