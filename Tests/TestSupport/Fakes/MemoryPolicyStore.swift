import MTASTS
import PolicyCaching
import PolicyRuntime
import Synchronization
import TextFormats

/// The store's fake: keeps policies and overrides in memory, and fails when a test asks for it.
package final class MemoryPolicyStore: PolicyStore {
    private struct State {
        var policies: [PolicyDomain: StoredPolicy] = [:]
        /// When a purge first found the policy expired.
        var expiredSince: [PolicyDomain: WallTime] = [:]
        var unreadable: [StoredRow] = []
        var overrides: [PolicyDomain: Override] = [:]
        var overrideRemovals: [PolicyDomain: WallTime] = [:]
        var observe: ObserveModeChange?
        var unreadableOverrides: [StoredOverride] = []
        var isOpen = false
        var failure: StoreError?
        /// The error of `open` only: the file can be read and not written.
        var openingFailure: StoreError?
        /// The other processes that use the file.
        var others: [Int32] = []
        /// How often `write` was called.
        var writes = 0
        var removals: [PolicyRemoval] = []
        /// The error of the next commit only.
        var nextCommitFailure: StoreError?
        var loadGate: Gate?
        var overridesGate: Gate?
        var nextOverridesGate: Gate?
        var overrideReads = 0
        var otherProcessesGate: Gate?
        var overridesFailure: StoreError?
        var commitGate: Gate?
        var commits: [[StoreChange]] = []
        var openCalls = 0
        /// How often opening returned `.anew`.
        var newOpenings = 0
        var purges = 0

        mutating func apply(_ change: StoreChange) {
            switch change {
            case .savePolicy(let policy):
                expiredSince[policy.domain] = nil
                policies[policy.domain] = policy
            case .removePolicy(let domain):
                expiredSince[domain] = nil
                policies[domain] = nil
            case .evictPolicy(let domain, let fetchedAt):
                guard let policy = policies[domain],
                    max(policy.fetchedAt, policy.previousFetchedAt ?? policy.fetchedAt) <= fetchedAt
                else { return }
                expiredSince[domain] = nil
                policies[domain] = nil
            case .noteExpiry(let domain, let fetchedAt):
                guard let policy = policies[domain], policy.fetchedAt == fetchedAt else { return }
                policies[domain] = policy.settingExpiryLogged(true)
            case .setOverride(let override):
                let (domain, since) = (override.domain, override.since)
                guard overrides[domain].map({ $0.since <= since }) ?? true,
                    overrideRemovals[domain].map({ $0 <= since }) ?? true
                else { return }
                overrides[domain] = override
            case .removeOverride(let domain, let time):
                overrideRemovals[domain] = max(time, overrideRemovals[domain] ?? time)
                if let override = overrides[domain], override.since <= time { overrides[domain] = nil }
            case .dropOverride(let override):
                if overrides[override.domain] == override { overrides[override.domain] = nil }
            case .observe(let change): if observe.map({ $0.since <= change.since }) ?? true { observe = change }
            }
        }
    }

    private let state: Mutex<State>

    package init(
        _ policies: [StoredPolicy] = [], unreadable: [StoredRow] = [], overrides: [StoredOverride] = []
    ) {
        var initial = State()
        for row in overrides {
            switch row {
            case .override(let override): initial.overrides[override.domain] = override
            case .observe(let change): initial.observe = change
            case .unreadable: initial.unreadableOverrides.append(row)
            }
        }
        for policy in policies { initial.policies[policy.domain] = policy }
        initial.unreadable = unreadable
        state = Mutex(initial)
    }

    package let storesNothing = false

    package func fail(with failure: StoreError?) {
        state.withLock { $0.failure = failure }
    }

    /// Fails the next commit, and no other call.
    package func failNextCommit(with failure: StoreError) {
        state.withLock { $0.nextCommitFailure = failure }
    }

    package func failOpening(with failure: StoreError?) {
        state.withLock { $0.openingFailure = failure }
    }

    /// Fails reading overrides only.
    package func failOverrides(with failure: StoreError?) {
        state.withLock { $0.overridesFailure = failure }
    }

    /// From now on these other processes use the file.
    package func share(with processes: Int32...) {
        state.withLock { $0.others = processes }
    }

    /// Applies a change as another process does.
    package func write(_ change: StoreChange) {
        state.withLock { state in
            if case .removePolicy(let domain) = change, let policy = state.policies[domain] {
                state.removals.append(
                    PolicyRemoval(
                        domain: domain, fetchedAt: policy.fetchedAt, removedAt: policy.fetchedAt + .milliseconds(1)))
            }
            state.writes += 1
            state.apply(change)
        }
    }

    package func otherProcesses(since version: StoreVersion?) async throws(StoreError) -> OtherProcesses {
        await state.withLock { $0.otherProcessesGate }?.pass()
        let (others, failure) = state.withLock { state in
            let current = StoreVersion(opening: state.newOpenings, change: state.writes)
            let hasChanged = version.map { $0 != current } ?? (state.writes != 0)
            return (
                OtherProcesses(
                    ids: state.others, version: current, haveChangedStore: hasChanged,
                    removals: hasChanged ? state.removals : []), state.failure
            )
        }
        if let failure { throw failure }
        return others
    }

    /// Empties and closes the store without a call of the service, as if its file was removed.
    package func removeFile() {
        state.withLock { state in
            state.policies = [:]
            state.overrides = [:]
            state.overrideRemovals = [:]
            state.observe = nil
            state.isOpen = false
        }
    }

    /// From now on commits wait for the gate.
    package func pauseCommits() -> Gate {
        let gate = Gate()
        state.withLock { $0.commitGate = gate }
        return gate
    }

    /// From now on loading waits for the gate.
    package func pauseLoading() -> Gate {
        let gate = Gate()
        state.withLock { $0.loadGate = gate }
        return gate
    }

    /// From now on reading overrides waits for the gate.
    package func pauseOverrides() -> Gate {
        let gate = Gate()
        state.withLock { $0.overridesGate = gate }
        return gate
    }

    /// The next read of overrides returns what is stored now when the gate opens.
    package func pauseNextOverrides() -> Gate {
        let gate = Gate()
        state.withLock { $0.nextOverridesGate = gate }
        return gate
    }

    /// How often the overrides were read.
    package var overrideReads: Int { state.withLock(\.overrideReads) }

    /// From now on the check of other processes waits for the gate.
    package func pauseOtherProcesses() -> Gate {
        let gate = Gate()
        state.withLock { $0.otherProcessesGate = gate }
        return gate
    }

    package func override(of domain: PolicyDomain) -> Override? {
        state.withLock { $0.overrides[domain] }
    }

    package var observe: ObserveModeChange? { state.withLock(\.observe) }

    package subscript(domain: PolicyDomain) -> StoredPolicy? {
        state.withLock { $0.policies[domain] }
    }

    /// The groups that were committed.
    package var commits: [[StoreChange]] { state.withLock(\.commits) }
    /// How often `purge` was called, with failures.
    package var purges: Int { state.withLock(\.purges) }
    /// How often `open` was called, with failures.
    package var openCalls: Int { state.withLock(\.openCalls) }

    package func open() async throws(StoreError) -> StoreOpening {
        let (failure, wasOpen) = state.withLock { state in
            state.openCalls += 1
            let failure = state.failure ?? state.openingFailure
            defer { if failure == nil { state.isOpen = true } }
            if failure == nil, !state.isOpen { state.newOpenings += 1 }
            return (failure, state.isOpen)
        }
        if let failure { throw failure }
        return wasOpen ? .unchanged : .anew
    }

    package func load(_ take: @escaping @Sendable ([StoredRow]) -> Void) async throws(StoreError) {
        await state.withLock { $0.loadGate }?.pass()
        let (rows, failure) = state.withLock { state in
            (state.policies.values.map(StoredRow.policy) + state.unreadable, state.failure)
        }
        if let failure { throw failure }
        take(rows)
    }

    package func row(of domain: PolicyDomain) async throws(StoreError) -> StoredRow? {
        let (policy, failure) = state.withLock { ($0.policies[domain], $0.failure) }
        if let failure { throw failure }
        return policy.map(StoredRow.policy)
    }

    package func overrides() async throws(StoreError) -> [StoredOverride] {
        await state.withLock { $0.overridesGate }?.pass()
        let (rows, failure, nextOverridesGate) = state.withLock { state in
            state.overrideReads += 1
            let overrides = state.overrides.values.map(StoredOverride.override)
            let observe = state.observe.map { [StoredOverride.observe($0)] } ?? []
            let failure = state.failure ?? state.overridesFailure
            return (overrides + observe + state.unreadableOverrides, failure, state.nextOverridesGate.take())
        }
        await nextOverridesGate?.pass()
        if let failure { throw failure }
        return rows
    }

    package func commit(_ changes: [StoreChange]) async throws(StoreError) {
        await state.withLock { $0.commitGate }?.pass()
        let failure = state.withLock { state -> StoreError? in
            guard state.isOpen else { return StoreError("it was removed") }
            guard state.failure == nil else { return state.failure }
            if let nextCommitFailure = state.nextCommitFailure.take() { return nextCommitFailure }
            if !changes.isEmpty { state.commits.append(changes) }
            for change in changes { state.apply(change) }
            return nil
        }
        if let failure { throw failure }
    }

    package func purge(at now: WallTime, grace: Duration) async throws(StoreError) -> [StoredPolicy] {
        let (expired, failure) = state.withLock { state in
            state.purges += 1
            let expired = state.policies.values.filter { $0.hasExpired(at: now) && !$0.isExpiryLogged }
            for (domain, policy) in state.policies {
                guard policy.hasExpired(at: now) else {
                    state.expiredSince[domain] = nil
                    state.policies[domain] = policy.settingExpiryLogged(false)
                    continue
                }
                let since = state.expiredSince[domain] ?? now
                state.expiredSince[domain] = since
                if since + grace <= now {
                    state.policies[domain] = nil
                    state.expiredSince[domain] = nil
                }
            }
            return (Array(expired.prefix(Self.maximumExpired)), state.failure)
        }
        if let failure { throw failure }
        return expired
    }

    package func close() async {
        state.withLock { $0.isOpen = false }
    }
}

extension StoredPolicy {
    /// If the fetch is in the future, the lifetime begins when that was noticed, or at the previous fetch.
    fileprivate func hasExpired(at now: WallTime) -> Bool {
        guard expiresAt > now else { return true }
        let life = expiresAt - max(fetchedAt, previousFetchedAt ?? fetchedAt)
        if fetchedAt > now { return clockBehindSince.map { $0 + life <= now } ?? false }
        return previousFetchedAt.map { $0 > now && fetchedAt + life <= now } ?? false
    }

    fileprivate func settingExpiryLogged(_ isLogged: Bool) -> StoredPolicy {
        StoredPolicy(
            domain: domain, text: text, id: id, fetchedAt: fetchedAt, expiresAt: expiresAt, lastLookupAt: lastLookupAt,
            record: record, failure: failure, clockBehindSince: clockBehindSince, previousFetchedAt: previousFetchedAt,
            isExpiryLogged: isLogged)
    }
}
