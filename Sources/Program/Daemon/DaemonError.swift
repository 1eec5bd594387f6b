import BridgeConfiguration

/// The reason why the daemon cannot start, or keeps its old configuration at a reload.
package struct DaemonError: Error, CustomStringConvertible {
    package enum Kind: Sendable {
        /// Only another configuration helps. The systemd unit does not restart the daemon after this error.
        case configuration
        /// The next start may succeed.
        case temporary
    }

    package let kind: Kind
    package let description: String

    package init(_ kind: Kind, reason: String) {
        self.kind = kind
        description = reason
    }

    init(_ error: ConfigurationError) {
        self.init(.configuration, reason: error.description)
    }
}
