import PolicyCaching

/// Other processes that use the same store: an upgrade in progress, or a second daemon that was started by mistake.
extension PolicyService {
    /// Their process ids, ascending, as of the last check.
    package var otherProcesses: [Int32] { state.withLock(\.otherProcesses.ids) }

    /// Checks what other processes do with the store. Called every few seconds.
    ///
    /// While others use the store, a lookup of a domain that memory does not have reads the store first. Overrides are read
    /// again after each change by another process, and policies that it removed are forgotten. When the last of them has
    /// ended, everything is loaded once more.
    func followOtherProcesses() async {
        let known = state.withLock(\.otherProcesses)
        guard let found = await reader.otherProcesses(since: known.version) else { return }
        withState { state in
            for removal in found.removals { state.cache.forget(removal) }
            state.cache.isShared = !found.ids.isEmpty
        }
        if found.ids != known.ids { log.otherProcesses(found.ids) }
        var next = SharedStore(ids: found.ids, version: found.version)
        next.hasNewOverrides = known.hasNewOverrides || found.haveChangedStore
        next.hasNewPolicies = known.hasNewPolicies || found.haveChangedStore
        // A store that was opened again may lack what memory has. `onLost` has run at the next check.
        let isReopened = known.version.map { $0.opening != found.version.opening } ?? false
        if next.hasNewOverrides, !isReopened { next.hasNewOverrides = await !followOverrides() }
        if next.hasNewPolicies, found.ids.isEmpty {
            start.yield(.load)
            next.hasNewPolicies = false
        }
        state.withLock { $0.otherProcesses = next }
    }
}

/// The last check of the other processes that use the store.
struct SharedStore {
    var ids: [Int32] = []
    /// `nil` before the first check.
    var version: StoreVersion?
    /// Overrides have to be read again.
    var hasNewOverrides = false
    /// Policies have to be loaded again.
    var hasNewPolicies = false
}
