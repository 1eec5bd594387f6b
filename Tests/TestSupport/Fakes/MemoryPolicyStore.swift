import MTASTS
import PolicyCaching
import PolicyRuntime
import Synchronization
import TextFormats

/// The store's fake: keeps policies and overrides in memory, and fails when a test asks for it.
package final class MemoryPolicyStore: PolicyStore {
    private struct State {
        var policies: [PolicyDomain: StoredPolicy] = [:]
        /// Since when a policy's life is known to be over.
        var lapsed: [PolicyDomain: WallTime] = [:]
        var unreadable: [StoredRow] = []
        var overrides: [PolicyDomain: Override] = [:]
        var observe: ObserveModeChange?
        var unreadableOrders: [StoredOverride] = []
        var isOpen = false
        var failure: StoreError?
        /// Of opening only: it can be read and not written.
        var openingFailure: StoreError?
        /// The other processes that use it.
        var others: [Int32] = []
        /// How often `write` was called.
        var writes = 0
        var removals: [PolicyRemoval] = []
        /// Of the next commit only.
        var mishap: StoreError?
        var loadGate: Gate?
        var orderGate: Gate?
        var otherProcessesGate: Gate?
        var orderFailure: StoreError?
        var commitGate: Gate?
        var commits: [[StoreChange]] = []
        var opened = 0
        /// How often opening returned `.anew`.
        var openings = 0
        var purges = 0

        mutating func make(_ change: StoreChange) {
            switch change {
            case .savePolicy(let policy):
                lapsed[policy.domain] = nil
                policies[policy.domain] = policy
            case .removePolicy(let domain):
                lapsed[domain] = nil
                policies[domain] = nil
            case .evictPolicy(let domain, let fetchedAt):
                guard let policy = policies[domain],
                    max(policy.fetchedAt, policy.previousFetchedAt ?? policy.fetchedAt) <= fetchedAt
                else { return }
                lapsed[domain] = nil
                policies[domain] = nil
            case .noteExpiry(let domain, let fetchedAt):
                guard let policy = policies[domain], policy.fetchedAt == fetchedAt else { return }
                policies[domain] = policy.end(isLogged: true)
            case .setOverride(let override): overrides[override.domain] = override
            case .removeOverride(let domain): overrides[domain] = nil
            case .observe(let order): observe = order
            }
        }
    }

    private let state: Mutex<State>

    package init(
        _ policies: [StoredPolicy] = [], unreadable: [StoredRow] = [], orders: [StoredOverride] = []
    ) {
        var initial = State()
        for order in orders {
            switch order {
            case .override(let override): initial.overrides[override.domain] = override
            case .observe(let order): initial.observe = order
            case .unreadable: initial.unreadableOrders.append(order)
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

    /// The next commit fails, and that is all.
    package func failOnce(with failure: StoreError) {
        state.withLock { $0.mishap = failure }
    }

    package func failOpening(with failure: StoreError?) {
        state.withLock { $0.openingFailure = failure }
    }

    /// Of reading orders only.
    package func failOrders(with failure: StoreError?) {
        state.withLock { $0.orderFailure = failure }
    }

    /// From now on these other processes use it.
    package func share(with processes: Int32...) {
        state.withLock { $0.others = processes }
    }

    /// Makes a change as another process does.
    package func write(_ change: StoreChange) {
        state.withLock { state in
            if case .removePolicy(let domain) = change, let policy = state.policies[domain] {
                state.removals.append(
                    PolicyRemoval(
                        domain: domain, fetchedAt: policy.fetchedAt, removedAt: policy.fetchedAt + .milliseconds(1)))
            }
            state.writes += 1
            state.make(change)
        }
    }

    package func otherProcesses(since version: StoreVersion?) async throws(StoreError) -> OtherProcesses {
        await state.withLock { $0.otherProcessesGate }?.pass()
        let (others, failure) = state.withLock { state in
            let current = StoreVersion(opening: state.openings, change: state.writes)
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

    /// Deletes it without a call of the service.
    package func vanish() {
        state.withLock { state in
            state.policies = [:]
            state.overrides = [:]
            state.observe = nil
            state.isOpen = false
        }
    }

    /// From now on commits wait for the gate.
    package func hold() -> Gate {
        let gate = Gate()
        state.withLock { $0.commitGate = gate }
        return gate
    }

    /// From now on loading waits for the gate.
    package func holdLoading() -> Gate {
        let gate = Gate()
        state.withLock { $0.loadGate = gate }
        return gate
    }

    /// From now on reading orders waits for the gate.
    package func holdOrders() -> Gate {
        let gate = Gate()
        state.withLock { $0.orderGate = gate }
        return gate
    }

    /// From now on the check of other processes waits for the gate.
    package func holdOtherProcesses() -> Gate {
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
    /// How often it was purged, well or badly.
    package var purges: Int { state.withLock(\.purges) }
    /// How often it was opened, well or badly.
    package var opened: Int { state.withLock(\.opened) }

    package func open() async throws(StoreError) -> StoreOpening {
        let (failure, wasOpen) = state.withLock { state in
            state.opened += 1
            let failure = state.failure ?? state.openingFailure
            defer { if failure == nil { state.isOpen = true } }
            if failure == nil, !state.isOpen { state.openings += 1 }
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
        await state.withLock { $0.orderGate }?.pass()
        let (orders, failure) = state.withLock { state in
            let overrides = state.overrides.values.map(StoredOverride.override)
            let observe = state.observe.map { [StoredOverride.observe($0)] } ?? []
            return (overrides + observe + state.unreadableOrders, state.failure ?? state.orderFailure)
        }
        if let failure { throw failure }
        return orders
    }

    package func commit(_ changes: [StoreChange]) async throws(StoreError) {
        await state.withLock { $0.commitGate }?.pass()
        let failure = state.withLock { state -> StoreError? in
            guard state.isOpen else { return StoreError("it vanished") }
            guard state.failure == nil else { return state.failure }
            if let mishap = state.mishap.take() { return mishap }
            if !changes.isEmpty { state.commits.append(changes) }
            for change in changes { state.make(change) }
            return nil
        }
        if let failure { throw failure }
    }

    package func purge(at now: WallTime, grace: Duration) async throws(StoreError) -> [StoredPolicy] {
        let (expired, failure) = state.withLock { state in
            state.purges += 1
            let expired = state.policies.values.filter { $0.isOver(at: now) && !$0.isExpiryLogged }
            for (domain, policy) in state.policies {
                guard policy.isOver(at: now) else {
                    state.lapsed[domain] = nil
                    state.policies[domain] = policy.end(isLogged: false)
                    continue
                }
                let since = state.lapsed[domain] ?? now
                state.lapsed[domain] = since
                if since + grace <= now {
                    state.policies[domain] = nil
                    state.lapsed[domain] = nil
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
    /// Of a fetch in the future the life counts from the moment at which that was noticed, or from the fetch after it.
    fileprivate func isOver(at now: WallTime) -> Bool {
        guard expiresAt > now else { return true }
        let life = expiresAt - max(fetchedAt, previousFetchedAt ?? fetchedAt)
        if fetchedAt > now { return clockBehindSince.map { $0 + life <= now } ?? false }
        return previousFetchedAt.map { $0 > now && fetchedAt + life <= now } ?? false
    }

    fileprivate func end(isLogged: Bool) -> StoredPolicy {
        StoredPolicy(
            domain: domain, text: text, id: id, fetchedAt: fetchedAt, expiresAt: expiresAt, lastLookupAt: lastLookupAt,
            record: record, failure: failure, clockBehindSince: clockBehindSince, previousFetchedAt: previousFetchedAt,
            isExpiryLogged: isLogged)
    }
}
