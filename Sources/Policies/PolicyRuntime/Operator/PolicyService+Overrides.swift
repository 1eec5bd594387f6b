import Discovery
import MTASTS
import PolicyCaching
import TextFormats

/// Overrides of domains and observe mode, as set by the operator. They apply at once and survive a restart.
extension PolicyService {
    /// The overrides that apply, sorted by domain.
    package func overrides() -> [Override] {
        let now = now()
        return state.withLock(\.overrides).overrides(at: now)
    }

    /// Sets the override of a domain, in place of an earlier one.
    package func set(_ override: Override) async throws(OverrideError) -> OverrideChange {
        let now = now()
        let error = withState { state -> OverrideError? in
            do throws(OverrideError) {
                let dropped = try state.overrides.set(override, at: now)
                state.changes.append(.setOverride(override))
                if let dropped { state.changes.append(.dropOverride(dropped)) }
                return nil
            } catch {
                return error
            }
        }
        if let error { throw error }
        log.overrideSet(override, at: now)
        return await change(of: .override(override.domain))
    }

    /// Removes the override of a domain.
    ///
    /// - Parameters:
    ///   - category: keeps an override of another category; `nil` removes any.
    ///   - author: for the log.
    package func removeOverride(
        of domain: PolicyDomain, category: Override.Category? = nil, author: String
    ) async -> (removal: OverrideStore.Removal, change: OverrideChange) {
        let now = now()
        let removal = withState { state in
            let removal = state.overrides.remove(domain, category: category, at: now)
            if case .otherCategory = removal { return removal }
            // Even if memory has no override: the store may have one that could not be read.
            state.changes.append(.removeOverride(domain, at: now))
            return removal
        }
        switch removal {
        case .removed(let override): log.overrideRemoved(override, by: author, at: now)
        case .otherCategory: return (removal, .saved)
        case .notFound: break
        }
        return (removal, await change(of: .override(domain)))
    }

    package var observeMode: ObserveMode { state.withLock(\.observeMode) }
    package var isObserving: Bool { observeMode.isOn }

    /// Switches observe mode on or off. It stays on if the configuration has it on; `observeMode` shows this.
    ///
    /// - Parameter author: the user of the peer of the admin socket.
    package func setObserveMode(isOn: Bool, author: String) async -> OverrideChange {
        let change = ObserveModeChange(isOn: isOn, author: author, since: now())
        let observeMode = withState { state in
            state.overrides.setObserveMode(change)
            state.changes.append(.observe(change))
            return state.observeMode
        }
        log.observeMode(observeMode)
        return await self.change(of: .observe)
    }

    private func change(of subject: StoreChange.Subject) async -> OverrideChange {
        guard !writer.storesNothing else { return .inMemoryOnly("cache.store is memory, so a restart loses it") }
        return await writer.flush(subject).map { .inMemoryOnly("\($0)") } ?? .saved
    }

    // MARK: Loading

    /// Loads the overrides. They apply to the first answer, unless the store fails or needs longer than
    /// `overrideLoadTimeout`.
    func loadOverrides() async {
        var isRestored = false
        // After a change meanwhile the rows may be out of date, so they are read again.
        while !isRestored {
            let (isPaused, changes) = state.withLock { ($0.waiters.isPaused, $0.overrides.changeCount) }
            let stored = isPaused ? await overridesInTime() : await reader.overrides(onFailed: {})
            guard let stored else { return continueWithoutOverrides() }
            isRestored = restore(stored, unlessChangedSince: changes)
        }
    }

    /// Reads the overrides again after another process has changed the store. What the store has replaces what memory has,
    /// unless this process has changed an override meanwhile.
    ///
    /// - Returns: `false` if it has to be done again later.
    func followOverrides() async -> Bool {
        // The first load is still in progress, the store has not what memory has, or a change waits to be written.
        let changes = state.withLock { state in
            state.waiters.isPaused || state.mustRewriteStore ? nil : state.overrides.changeCount
        }
        guard let changes, !writer.hasPendingOverrides, let stored = await reader.overridesNow() else { return false }
        return restore(stored, unlessChangedSince: changes, replacingAll: true)
    }

    /// Reads the overrides; tries until it succeeds. Lookups wait for the first try only, and not longer than the timeout.
    private func overridesInTime() async -> [StoredOverride]? {
        await withTaskGroup(of: [StoredOverride]?.self) { group in
            group.addTask { await self.reader.overrides(onFailed: self.continueWithoutOverrides) }
            group.addTask {
                try? await self.sleep(Self.overrideLoadTimeout)
                return nil
            }
            if let stored = await group.next() ?? nil {
                group.cancelAll()
                return stored
            }
            continueWithoutOverrides()
            return await group.next() ?? nil
        }
    }

    private struct Restored {
        let answers: [ServiceState.Answer]
        let added: Int
        let ignored: Int
        /// `nil` if it has not changed.
        let observeMode: ObserveMode?
    }

    /// - Parameters:
    ///   - changes: the value of `changeCount` before the overrides were read.
    ///   - replacingAll: whether they replace those in memory.
    /// - Returns: `false` if the overrides have changed since, so that nothing is restored.
    private func restore(
        _ stored: [StoredOverride], unlessChangedSince changes: Int, replacingAll: Bool = false
    ) -> Bool {
        let now = now()
        let restored = withState { state -> Restored? in
            guard state.overrides.changeCount == changes, !(replacingAll && state.mustRewriteStore) else { return nil }
            let (count, wasOn) = (state.overrides.count, state.observeMode.isOn)
            let ignored = state.overrides.restore(stored, replacingAll: replacingAll, at: now)
            let observeMode = state.observeMode
            return Restored(
                answers: state.answers(state.waiters.resume(), at: now), added: state.overrides.count - count,
                ignored: ignored.count, observeMode: observeMode.isOn == wasOn ? nil : observeMode)
        }
        guard let restored else { return false }
        answer(restored.answers)
        if restored.added > 0 { log.overridesLoaded(restored.added) }
        if restored.ignored > 0 { log.overridesIgnored(restored.ignored) }
        if let observeMode = restored.observeMode { log.observeMode(observeMode) }
        return true
    }

    /// Ends the pause of lookups before the overrides are loaded.
    private func continueWithoutOverrides() {
        let now = now()
        let (answers, wasPaused) = state.withLock { state in
            let wasPaused = state.waiters.isPaused
            return (state.answers(state.waiters.resume(), at: now), wasPaused)
        }
        // A cancelled task means that the daemon stops.
        if wasPaused, !Task.isCancelled { log.overridesDelayed() }
        answer(answers)
    }

    // MARK: The background

    /// Logs overrides that end, and removes old ones from the store.
    func checkOverrides(at now: WallTime) {
        let events = withState { state in
            let events = state.overrides.due(at: now)
            for case .dropped(let override) in events { state.changes.append(.dropOverride(override)) }
            return events
        }
        for event in events { log.record(event, at: now) }
    }
}
