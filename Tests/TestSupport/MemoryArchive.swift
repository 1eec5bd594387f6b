import MTASTS
import PolicyService
import Synchronization

/// The archive's twin: keeps policies and orders for as long as the test lives, and fails when told to.
package final class MemoryArchive: PolicyArchive {
    private struct State {
        var policies: [PolicyDomain: ArchivedPolicy] = [:]
        /// Since when a policy's life is known to be over.
        var lapsed: [PolicyDomain: WallTime] = [:]
        var unreadable: [ArchivedRow] = []
        var overrides: [PolicyDomain: DomainOverride] = [:]
        var observe: ObserveOrder?
        var unreadableOrders: [ArchivedOrder] = []
        var isOpen = false
        var failure: ArchiveFailure?
        /// Of opening only: it can be read and not written.
        var openingFailure: ArchiveFailure?
        /// Another process writes it.
        var isAnothers = false
        /// Of the next commit only.
        var mishap: ArchiveFailure?
        var loadGate: Gate?
        var orderGate: Gate?
        var orderFailure: ArchiveFailure?
        var commitGate: Gate?
        var commits: [[ArchiveChange]] = []
        var opened = 0
        var purges = 0

        mutating func make(_ change: ArchiveChange) {
            switch change {
            case .keep(let policy):
                lapsed[policy.domain] = nil
                policies[policy.domain] = policy
            case .remove(let domain):
                lapsed[domain] = nil
                policies[domain] = nil
            case .noteEnd(let domain, let fetchedAt):
                guard let policy = policies[domain], policy.fetchedAt == fetchedAt else { return }
                policies[domain] = policy.end(isLogged: true)
            case .order(let override): overrides[override.domain] = override
            case .lift(let domain): overrides[domain] = nil
            case .observe(let order): observe = order
            }
        }
    }

    private let state: Mutex<State>

    package init(
        _ policies: [ArchivedPolicy] = [], unreadable: [ArchivedRow] = [], orders: [ArchivedOrder] = []
    ) {
        var kept = State()
        for order in orders {
            switch order {
            case .override(let override): kept.overrides[override.domain] = override
            case .observe(let order): kept.observe = order
            case .unreadable: kept.unreadableOrders.append(order)
            }
        }
        for policy in policies { kept.policies[policy.domain] = policy }
        kept.unreadable = unreadable
        state = Mutex(kept)
    }

    package let keepsNothing = false

    package func fail(with failure: ArchiveFailure?) {
        state.withLock { $0.failure = failure }
    }

    /// The next commit fails, and that is all.
    package func failOnce(with failure: ArchiveFailure) {
        state.withLock { $0.mishap = failure }
    }

    package func failOpening(with failure: ArchiveFailure?) {
        state.withLock { $0.openingFailure = failure }
    }

    /// Of reading orders only.
    package func failOrders(with failure: ArchiveFailure?) {
        state.withLock { $0.orderFailure = failure }
    }

    /// Another process writes it, until it does not.
    package func giveToAnother(_ isAnothers: Bool) {
        state.withLock { $0.isAnothers = isAnothers }
    }

    /// What the other process writes.
    package func write(_ change: ArchiveChange) {
        state.withLock { $0.make(change) }
    }

    package var isAnothersYet: Bool { state.withLock(\.isAnothers) }

    /// Somebody deletes it behind the service's back.
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

    package func override(of domain: PolicyDomain) -> DomainOverride? {
        state.withLock { $0.overrides[domain] }
    }

    package var observe: ObserveOrder? { state.withLock(\.observe) }

    package subscript(domain: PolicyDomain) -> ArchivedPolicy? {
        state.withLock { $0.policies[domain] }
    }

    /// The groups that were committed.
    package var commits: [[ArchiveChange]] { state.withLock(\.commits) }
    /// How often it was purged, well or badly.
    package var purges: Int { state.withLock(\.purges) }
    /// How often it was opened, well or badly.
    package var opened: Int { state.withLock(\.opened) }

    package func open() async throws(ArchiveFailure) -> ArchiveOpening {
        if isAnothersYet { return .later(ArchiveFailure("another process writes it")) }
        let (failure, wasOpen) = state.withLock { state in
            state.opened += 1
            let failure = state.failure ?? state.openingFailure
            defer { if failure == nil { state.isOpen = true } }
            return (failure, state.isOpen)
        }
        if let failure { throw failure }
        return wasOpen ? .unchanged : .anew
    }

    package func load(_ take: @escaping @Sendable ([ArchivedRow]) -> Void) async throws(ArchiveFailure) {
        await state.withLock { $0.loadGate }?.pass()
        let (rows, failure) = state.withLock { state in
            (state.policies.values.map(ArchivedRow.policy) + state.unreadable, state.failure)
        }
        if let failure { throw failure }
        take(rows)
    }

    package func row(of domain: PolicyDomain) async throws(ArchiveFailure) -> ArchivedRow? {
        let (policy, failure) = state.withLock { ($0.policies[domain], $0.failure) }
        if let failure { throw failure }
        return policy.map(ArchivedRow.policy)
    }

    package func orders() async throws(ArchiveFailure) -> [ArchivedOrder] {
        await state.withLock { $0.orderGate }?.pass()
        let (orders, failure) = state.withLock { state in
            let overrides = state.overrides.values.map(ArchivedOrder.override)
            let observe = state.observe.map { [ArchivedOrder.observe($0)] } ?? []
            return (overrides + observe + state.unreadableOrders, state.failure ?? state.orderFailure)
        }
        if let failure { throw failure }
        return orders
    }

    package func commit(_ changes: [ArchiveChange]) async throws(ArchiveFailure) {
        await state.withLock { $0.commitGate }?.pass()
        let failure = state.withLock { state -> ArchiveFailure? in
            guard state.isOpen else { return ArchiveFailure("it vanished") }
            guard state.failure == nil else { return state.failure }
            if let mishap = state.mishap.take() { return mishap }
            if !changes.isEmpty { state.commits.append(changes) }
            for change in changes { state.make(change) }
            return nil
        }
        if let failure { throw failure }
    }

    package func purge(at now: WallTime, grace: Duration) async throws(ArchiveFailure) -> [ArchivedPolicy] {
        let (expired, failure) = state.withLock { state in
            state.purges += 1
            let expired = state.policies.values.filter { $0.isOver(at: now) && !$0.isEndLogged }
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

extension ArchivedPolicy {
    /// Of a fetch in the future the life counts from the moment at which that was noticed, or from the fetch after it.
    fileprivate func isOver(at now: WallTime) -> Bool {
        guard expiresAt > now else { return true }
        let life = expiresAt - max(fetchedAt, previousFetchedAt ?? fetchedAt)
        if fetchedAt > now { return clockBehindSince.map { $0 + life <= now } ?? false }
        return previousFetchedAt.map { $0 > now && fetchedAt + life <= now } ?? false
    }

    fileprivate func end(isLogged: Bool) -> ArchivedPolicy {
        ArchivedPolicy(
            domain: domain, text: text, id: id, fetchedAt: fetchedAt, expiresAt: expiresAt, askedAt: askedAt,
            record: record, failure: failure, clockBehindSince: clockBehindSince, previousFetchedAt: previousFetchedAt,
            isEndLogged: isLogged)
    }
}
