import Discovery
import MTASTS
import PolicyCaching
import TextFormats

/// Stores policies and overrides across restarts. `SQLitePolicyStore` implements it, `NoStore` stores nothing.
///
/// Concurrency: any task. `PolicyService` commits one batch of changes at a time and reads at any time.
/// Errors: `StoreError`. The service then continues in memory and calls `open` again from time to time.
package protocol PolicyStore: Sendable {
    /// Whether it never returns anything, so that the cache in memory has everything.
    var storesNothing: Bool { get }

    /// Prepares reading and writing: at the start, and again after every error.
    func open() async throws(StoreError) -> StoreOpening

    /// Passes all policies to `receive`, a few hundred rows at a time, in any order. Works for a read-only file too.
    func load(_ receive: @escaping @Sendable ([StoredRow]) -> Void) async throws(StoreError)

    /// Returns the policy of a domain, if there is one.
    func row(of domain: PolicyDomain) async throws(StoreError) -> StoredRow?

    /// Returns all overrides and observe mode, in any order. They are few and are read before the first lookup is answered.
    func overrides() async throws(StoreError) -> [StoredOverride]

    /// Makes the changes durable, in their order, all or none. Without changes it only checks whether the file still exists.
    func commit(_ changes: [StoreChange]) async throws(StoreError)

    /// Deletes expired policies, a `grace` after the first `purge` that saw them expired. So a clock that jumps ahead and
    /// back loses nothing.
    ///
    /// - Returns: expired policies whose expiry the log does not have, at most `maximumExpired`. The next calls return the
    ///   others.
    func purge(at now: WallTime, grace: Duration) async throws(StoreError) -> [StoredPolicy]

    /// Returns which other processes use the store, and what they changed.
    ///
    /// - Parameter version: the version that the last call returned; `nil` for the first call.
    func otherProcesses(since version: StoreVersion?) async throws(StoreError) -> OtherProcesses

    /// Closes the store. No other call follows.
    func close() async
}

/// The result of opening the store.
package enum StoreOpening: Equatable, Sendable {
    /// The file is the same as before, with everything that was committed.
    case unchanged
    /// The file was opened for the first time, or it was removed or replaced since. Load it, and commit again what it lacks.
    case anew
}

/// A state of the store. Each change by another process gives the store another version.
package struct StoreVersion: Equatable, Sendable {
    /// How often this process has opened the store.
    package let opening: Int
    package let change: Int

    package init(opening: Int, change: Int) {
        self.opening = opening
        self.change = change
    }
}

/// The other processes that use the same store.
package struct OtherProcesses: Equatable, Sendable {
    /// Their process ids, ascending.
    package let ids: [Int32]
    package let version: StoreVersion
    /// Whether another process has changed the store since the version of the last call, or since the store was opened.
    package let haveChangedStore: Bool
    /// The policies that other processes removed lately. Empty if the store has not changed.
    package let removals: [PolicyRemoval]

    package init(ids: [Int32], version: StoreVersion, haveChangedStore: Bool, removals: [PolicyRemoval]) {
        self.ids = ids
        self.version = version
        self.haveChangedStore = haveChangedStore
        self.removals = removals
    }

    package static let none = OtherProcesses(
        ids: [], version: StoreVersion(opening: 0, change: 0), haveChangedStore: false, removals: [])
}

extension PolicyStore {
    /// The maximum number of policies that one `purge` returns. All of them are in memory at the same time.
    package static var maximumExpired: Int { 1_000 }
}

/// The store for `cache.store: memory`: stores nothing.
package struct NoStore: PolicyStore {
    package init() {}

    package var storesNothing: Bool { true }
    package func open() -> StoreOpening { .unchanged }
    package func load(_ receive: @escaping @Sendable ([StoredRow]) -> Void) {}
    package func row(of domain: PolicyDomain) -> StoredRow? { nil }
    package func overrides() -> [StoredOverride] { [] }
    package func commit(_ changes: [StoreChange]) {}
    package func purge(at now: WallTime, grace: Duration) -> [StoredPolicy] { [] }
    package func otherProcesses(since version: StoreVersion?) -> OtherProcesses { .none }
    package func close() {}
}
