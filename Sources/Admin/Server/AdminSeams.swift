import Discovery
import MTASTS
import PolicyService

/// What the API needs of rooms that it does not know: handed in by who wires them.
package struct AdminSeams: Sendable {
    package var version: String
    /// How the daemon is set up, at the moment.
    package var setup: @Sendable () async -> SetupFacts
    /// What a lookup key of Postfix's stands for; `nil`: nothing that could have a policy.
    package var destination: @Sendable (_ key: String) -> DANEDestination?
    /// A decision in each dialect, as over socketmap.
    package var replies: @Sendable (Decision, PolicyDomain) -> [String: String]
    /// A fresh discovery, beside what is remembered.
    package var live: @Sendable (_ key: String, DANEDestination) async -> QueryReport
    /// Reads the configuration again.
    package var reload: @Sendable () async throws(ReloadRefusal) -> Reloaded
    /// Wall time.
    package var now: @Sendable () -> WallTime

    package init(
        version: String, setup: @escaping @Sendable () async -> SetupFacts,
        destination: @escaping @Sendable (String) -> DANEDestination?,
        replies: @escaping @Sendable (Decision, PolicyDomain) -> [String: String],
        live: @escaping @Sendable (String, DANEDestination) async -> QueryReport,
        reload: @escaping @Sendable () async throws(ReloadRefusal) -> Reloaded, now: @escaping @Sendable () -> WallTime
    ) {
        self.version = version
        self.setup = setup
        self.destination = destination
        self.replies = replies
        self.live = live
        self.reload = reload
        self.now = now
    }
}
