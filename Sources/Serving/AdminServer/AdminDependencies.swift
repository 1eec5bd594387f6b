import AdminAPI
import Discovery
import MTASTS
import PolicyCaching
import TextFormats

/// The values and functions that the API needs from modules it does not import. The daemon provides them.
package struct AdminDependencies: Sendable {
    package var version: String
    /// The settings in force.
    package var runtime: @Sendable () async -> RuntimeSummary
    /// The destination of a lookup key from Postfix; `nil`: the key cannot have a policy.
    package var destination: @Sendable (_ key: String) -> Destination?
    /// The reply in each dialect, as over socketmap.
    package var replies: @Sendable (Decision, PolicyDomain) -> [String: String]
    /// A fresh discovery, independent of the cache.
    package var live: @Sendable (_ key: String, Destination) async -> QueryReport
    /// Reads the configuration again.
    package var reload: @Sendable () async throws(ReloadError) -> ReloadResponse
    /// Wall time.
    package var now: @Sendable () -> WallTime

    package init(
        version: String, runtime: @escaping @Sendable () async -> RuntimeSummary,
        destination: @escaping @Sendable (String) -> Destination?,
        replies: @escaping @Sendable (Decision, PolicyDomain) -> [String: String],
        live: @escaping @Sendable (String, Destination) async -> QueryReport,
        reload: @escaping @Sendable () async throws(ReloadError) -> ReloadResponse,
        now: @escaping @Sendable () -> WallTime
    ) {
        self.version = version
        self.runtime = runtime
        self.destination = destination
        self.replies = replies
        self.live = live
        self.reload = reload
        self.now = now
    }
}

/// Why the new configuration is not in force. The old one still is.
package struct ReloadError: Error, Equatable, Sendable {
    package let reason: String

    package init(_ reason: String) {
        self.reason = reason
    }
}
