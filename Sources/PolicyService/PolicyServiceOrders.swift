import Discovery
import MTASTS

/// What the operator orders: overrides of domains, and observe mode. They are in force at once, and outlive the process.
extension PolicyService {
    /// The orders that are in force, by domain.
    package func overrides() -> [DomainOverride] {
        let now = now()
        return state.withLock(\.orders).overrides(at: now)
    }

    /// In force from now on, in place of an earlier one of the same domain.
    package func order(_ override: DomainOverride) async throws(OrderRefusal) -> OrderOutcome {
        let now = now()
        let refusal = withState { state -> OrderRefusal? in
            do throws(OrderRefusal) {
                try state.orders.order(override, at: now)
                state.changes.append(.order(override))
                return nil
            } catch {
                return error
            }
        }
        if let refusal { throw refusal }
        log.ordered(override, at: now)
        return await outcome(of: .override(override.domain))
    }

    /// In force no more from now on.
    ///
    /// - Parameter author: who removes it, for the log.
    package func removeOverride(
        of domain: PolicyDomain, author: String
    ) async -> (removed: DomainOverride?, outcome: OrderOutcome) {
        let now = now()
        let removed = withState { state in
            // Also where there is none: the archive may have one that could not be read.
            state.changes.append(.lift(domain))
            return state.orders.remove(domain)
        }
        if let removed { log.removed(removed, by: author, at: now) }
        return (removed, await outcome(of: .override(domain)))
    }

    /// Whether Postfix is told nothing, and who says so.
    package var observing: Observing { state.withLock(\.observing) }
    package var isObserving: Bool { observing.isOn }

    /// Switches observe mode. Where the configuration has it on it stays on, which `observing` tells.
    ///
    /// - Parameter author: who, as the socket's peer was found to be.
    package func observe(_ isOn: Bool, author: String) async -> OrderOutcome {
        let order = ObserveOrder(isOn: isOn, author: author, since: now())
        let observing = withState { state in
            state.orders.order(order)
            state.changes.append(.observe(order))
            return state.observing
        }
        log.observing(observing)
        return await outcome(of: .observe)
    }

    private func outcome(of subject: ArchiveChange.Subject) async -> OrderOutcome {
        guard !writer.keepsNothing else { return .inMemoryOnly("cache.store is memory: nothing outlives the process") }
        return await writer.kept(subject).map { .inMemoryOnly("\($0)") } ?? .kept
    }

    // MARK: Loading

    /// Takes in what the archive kept. An order holds from the first answer on, unless the archive fails or takes longer
    /// than `patienceWithOrders`.
    ///
    /// - Parameter isInherited: another process wrote it: what was read of it before is out of date.
    func loadOrders(isInherited: Bool = false) async {
        let isAwaited = state.withLock(\.waitingList.isHeld)
        let kept = isAwaited ? await ordersInTime() : await reader.orders(failed: {})
        if let kept { take(kept, isInherited: isInherited) } else { goOnWithoutOrders() }
    }

    /// What is ordered of the process that writes the archive holds here too: lookups come before the archive is ours.
    func followOrders() async {
        // At first they are read for those who wait for them.
        guard !state.withLock(\.waitingList.isHeld), let kept = await reader.ordersNow() else { return }
        take(kept, isInherited: true)
    }

    /// As many tries as it takes; lookups wait for the first one only, and not for long.
    private func ordersInTime() async -> [ArchivedOrder]? {
        await withTaskGroup(of: [ArchivedOrder]?.self) { group in
            group.addTask { await self.reader.orders(failed: self.goOnWithoutOrders) }
            group.addTask {
                try? await self.sleep(Self.patienceWithOrders)
                return nil
            }
            if let kept = await group.next() ?? nil {
                group.cancelAll()
                return kept
            }
            goOnWithoutOrders()
            return await group.next() ?? nil
        }
    }

    private func take(_ kept: [ArchivedOrder], isInherited: Bool) {
        let now = now()
        let (answers, taken, leftOut, observing) = withState { state in
            let (count, wasOn) = (state.orders.count, state.observing.isOn)
            let leftOut = state.orders.restore(kept, inPlaceOfAll: isInherited)
            let observing = state.observing
            return (
                state.answers(state.waitingList.letGo(), at: now), state.orders.count - count, leftOut.count,
                observing.isOn == wasOn ? nil : observing
            )
        }
        answer(answers)
        if taken > 0 { log.ordersLoaded(taken) }
        if leftOut > 0 { log.ordersLeftOut(leftOut) }
        if let observing { log.observing(observing) }
    }

    /// Lookups wait no longer for orders.
    private func goOnWithoutOrders() {
        let now = now()
        let (answers, wereAwaited) = state.withLock { state in
            let wereAwaited = state.waitingList.isHeld
            return (state.answers(state.waitingList.letGo(), at: now), wereAwaited)
        }
        // Whoever cancels us stops the daemon.
        if wereAwaited, !Task.isCancelled { log.ordersLate() }
        answer(answers)
    }

    // MARK: The background

    func lookAfterOrders(at now: WallTime) {
        let news = withState { state in
            let news = state.orders.due(at: now)
            for case .dropped(let override) in news { state.changes.append(.lift(override.domain)) }
            return news
        }
        for news in news { log.record(news, at: now) }
    }
}
