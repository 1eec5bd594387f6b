import Discovery
import HeapModule

/// The assignment of keys and slots.
extension FetchSchedule {
    /// Assigns keys and slots until nothing changes, and returns the actions of the event.
    mutating func completeEvent(now: Instant) -> [Action] {
        endTurns(now: now)
        endWaiting(now: now)
        repeat {
            while let id = acquiring.popLast() { acquireKeys(id, now: now) }
            // A dropped fetch may free keys for others.
        } while fillSlot(now: now) || dropOldest(now: now)
        removeUnusedKeys()
        defer { actions = [] }
        return actions
    }

    /// Acquires the keys of the fetch one after another, until one is full.
    private mutating func acquireKeys(_ id: FetchID, now: Instant) {
        while let fetch = fetches[id], fetch.acquiredKeys < fetch.keys.count {
            let key = fetch.keys[fetch.acquiredKeys]
            guard keys[key, default: KeyState()].holders.count < limit(of: key) else {
                keys[key]?.queue.add(id, fetchClass: fetch.fetchClass)
                setTimer(id)
                if let holder = holder(of: key, yieldingTo: fetch.fetchClass, now: now) { preempt(holder, now: now) }
                return
            }
            keys[key, default: KeyState()].holders.insert(id)
            fetches[id]?.acquiredKeys += 1
        }
        waitForSlot(id)
    }

    private func limit(of key: FetchKey) -> Int {
        guard case .address = key else { return limits.share }
        return keys[key]?.isProven == true ? limits.share : limits.perAddress
    }

    /// Returns the fetch that must yield the full key: its turn is over, or it is a retry that waits for another key or slot.
    private func holder(of key: FetchKey, yieldingTo fetchClass: FetchClass, now: Instant) -> FetchID? {
        var longest: (id: FetchID, turnEnd: Instant)?
        var waiting: FetchID?
        for id in keys[key]?.holders ?? [] {
            guard let fetch = fetches[id] else { continue }
            if let attempt = fetch.attempt {
                guard attempt.turnEnd <= now else { continue }
                if longest.map({ attempt.turnEnd < $0.turnEnd }) ?? true { longest = (id, attempt.turnEnd) }
            } else if fetch.fetchClass == .retry, fetchClass != .retry {
                waiting = id
            }
        }
        return longest?.id ?? waiting
    }

    private mutating func waitForSlot(_ id: FetchID) {
        guard let fetch = fetches[id] else { return }
        let index = fetch.fetchClass.rawValue
        let address = FetchKey.address(fetch.addresses[0])
        // An address that answers uses a slot for a short time only, so its fetches need not wait for the next round.
        let next = keys[address]?.isProven == true ? 0 : (keys[address]?.lastRounds[index] ?? -1) + 1
        let round = max(rounds[index], fetch.round, next)
        keys[address]?.lastRounds[index] = round
        slotQueue.add(id, fetchClass: fetch.fetchClass, round: round)
        setTimer(id)
    }

    /// Recomputes the round of a fetch that waits for a slot.
    mutating func moveForward(_ id: FetchID) {
        guard let fetch = fetches[id], fetch.attempt == nil, fetch.acquiredKeys == fetch.keys.count else { return }
        slotQueue.remove(id, fetchClass: fetch.fetchClass)
        waitForSlot(id)
    }

    private mutating func setTimer(_ id: FetchID) {
        guard let fetch = fetches[id], !fetch.hasTimer else { return }
        fetches[id]?.hasTimer = true
        deadlines.insert(Timer(at: fetch.deadline, id: id, serial: 0))
    }

    // MARK: Slots

    /// Gives one slot to the next fetch. Returns whether anything changed.
    private mutating func fillSlot(now: Instant) -> Bool {
        var classes: [FetchClass] = [.cachedPolicy, .firstContact]
        if retriesInFlight < limits.retries { classes.append(.retry) }
        if classes.contains(where: { slotQueue.isWaiting($0) }) {
            guard inFlight < limits.slots || preemptOne(of: [.retry, .firstContact], now: now) else { return false }
        } else {
            // Retries that have reached their limit yield to other retries only.
            guard slotQueue.isWaiting(.retry), preemptOne(of: [.retry], now: now) else { return false }
            classes = [.retry]
        }
        guard let (id, round) = slotQueue.next(of: classes), let index = fetches[id]?.fetchClass.rawValue else {
            return true
        }
        rounds[index] = max(rounds[index], round)
        startAttempt(id, now: now)
        return true
    }

    private mutating func startAttempt(_ id: FetchID, now: Instant) {
        guard var fetch = fetches[id] else { return }
        lastSerial += 1
        let attempt = Attempt(
            serial: lastSerial, start: now, turnEnd: now + fetch.fetchClass.turn,
            limits: .share(of: fetch.deadline - now, addressesLeft: fetch.addresses.count))
        fetch.attempt = attempt
        fetch.hadAttempt = true
        fetches[id] = fetch
        inFlight += 1
        if fetch.fetchClass == .retry { retriesInFlight += 1 }
        turns.insert(Timer(at: attempt.turnEnd, id: id, serial: attempt.serial))
        if turns.count > 2 * limits.slots + 64 { turns = Heap(turns.unordered.filter { $0.isCurrent(in: fetches) }) }
        actions.append(.connect(id, fetch.request, fetch.addresses[0], attempt.limits))
    }

    /// Preempts an attempt after its turn. Returns whether there was one.
    private mutating func preemptOne(of classes: [FetchClass], now: Instant) -> Bool {
        for fetchClass in classes {
            while let timer = overdue[fetchClass.overdueIndex].popMin() {
                guard timer.isCurrent(in: fetches) else { continue }
                preempt(timer.id, now: now)
                return true
            }
        }
        return false
    }

    // MARK: Preemption

    /// Takes its slot and its keys from a fetch, which continues as a retry.
    private mutating func preempt(_ id: FetchID, now: Instant) {
        guard let hasAttempt = fetches[id].map({ $0.attempt != nil }) else { return }
        if hasAttempt { setProven(id, isProven: false) }
        stop(id, now: now)
        guard var fetch = fetches[id] else { return }
        guard now < fetch.deadline else { return finish(id, result: .failure(fetch.errorAtDeadline(timeout: timeout))) }
        if hasAttempt {
            // The address was silent; another one may answer. Other waiting retries go first.
            fetch.addresses.append(fetch.addresses.removeFirst())
            if fetch.fetchClass == .retry { fetch.round = rounds[FetchClass.retry.rawValue] + 1 }
            fetch.fetchClass = .retry
            fetches[id] = fetch
            chooseAddress(id)
        }
        acquiring.append(id)
    }

    /// Ends the attempt or the wait of the fetch, and releases its keys.
    mutating func stop(_ id: FetchID, now: Instant) {
        guard let fetch = fetches[id] else { return }
        if fetch.attempt != nil {
            actions.append(.disconnect(id))
        } else if fetch.acquiredKeys < fetch.keys.count {
            keys[fetch.keys[fetch.acquiredKeys]]?.queue.remove(id, fetchClass: fetch.fetchClass)
        } else {
            slotQueue.remove(id, fetchClass: fetch.fetchClass)
        }
        release(id, now: now)
    }

    /// Releases the slot and the keys of the fetch. The keys go to waiting fetches.
    mutating func release(_ id: FetchID, now: Instant) {
        guard var fetch = fetches[id] else { return }
        if let attempt = fetch.attempt {
            inFlight -= 1
            if fetch.fetchClass == .retry { retriesInFlight -= 1 }
            fetch.attemptTime += now - attempt.start
            fetch.attempt = nil
        }
        let released = fetch.keys.prefix(fetch.acquiredKeys)
        fetch.acquiredKeys = 0
        fetches[id] = fetch
        for key in released {
            keys[key]?.holders.remove(id)
            admit(to: key)
        }
    }

    private mutating func admit(to key: FetchKey) {
        // Do not copy the state into a variable: changing it would then copy the whole queue.
        while (keys[key]?.holders.count ?? 0) < limit(of: key), let (id, _) = keys[key]?.queue.next() {
            keys[key]?.holders.insert(id)
            fetches[id]?.acquiredKeys += 1
            acquiring.append(id)
        }
        if keys[key]?.isRemovable(in: rounds) == true { keys[key] = nil }
    }

    /// Begins the next round and removes unused keys, if there are many.
    private mutating func removeUnusedKeys() {
        guard keys.count > 4 * fetches.count + 4_096 else { return }
        for index in rounds.indices { rounds[index] += 1 }
        keys = keys.filter { !$0.value.isUnused }
    }

    /// Moves the first address with a free share to the front, if there is one.
    mutating func chooseAddress(_ id: FetchID) {
        guard var fetch = fetches[id] else { return }
        let free = fetch.addresses.firstIndex { address in
            let key = FetchKey.address(address)
            return (keys[key]?.holders.count ?? 0) < limit(of: key)
        }
        if let free { fetch.addresses = Array(fetch.addresses[free...] + fetch.addresses[..<free]) }
        fetch.keys = FetchKey.keys(of: fetch.domain, at: fetch.addresses[0])
        fetches[id] = fetch
    }

    // MARK: Time

    /// Ends turns. Preempts an attempt if a fetch waits for one of its keys; the others can be preempted for their slot.
    private mutating func endTurns(now: Instant) {
        while let timer = turns.min, timer.at <= now {
            _ = turns.popMin()
            guard let fetch = fetches[timer.id], timer.isCurrent(in: fetches) else { continue }
            if fetch.keys.contains(where: { keys[$0]?.queue.isEmpty == false }) {
                preempt(timer.id, now: now)
            } else {
                let index = fetch.fetchClass.overdueIndex
                overdue[index].insert(timer)
                if overdue[index].count > 2 * limits.slots + 64 {
                    overdue[index] = Heap(overdue[index].unordered.filter { $0.isCurrent(in: fetches) })
                }
            }
        }
    }

    /// Ends the fetches that have waited until their deadline.
    private mutating func endWaiting(now: Instant) {
        while let timer = deadlines.min, timer.at <= now {
            _ = deadlines.popMin()
            fetches[timer.id]?.hasTimer = false
            guard let fetch = fetches[timer.id], fetch.attempt == nil else { continue }
            stop(timer.id, now: now)
            finish(timer.id, result: .failure(fetch.errorAtDeadline(timeout: timeout)))
        }
        if deadlines.count > 2 * fetches.count + 64 {
            deadlines = Heap(deadlines.unordered.filter { fetches[$0.id] != nil })
        }
    }

    /// Ends the oldest waiting fetch if too many wait. Returns whether there was one.
    private mutating func dropOldest(now: Instant) -> Bool {
        guard waitingCount > limits.waiting else { return false }
        while let timer = deadlines.popMin() {
            fetches[timer.id]?.hasTimer = false
            guard let fetch = fetches[timer.id], fetch.attempt == nil else { continue }
            stop(timer.id, now: now)
            finish(timer.id, result: .failure(.noSlot(fetch.hadAttempt ? .interrupted(within: timeout) : .queueFull)))
            return true
        }
        return false
    }
}

extension FetchSchedule.KeyState {
    fileprivate var isUnused: Bool { holders.isEmpty && queue.isEmpty }

    /// Whether a new state would have the same effect in these rounds.
    fileprivate func isRemovable(in rounds: [Int]) -> Bool {
        isUnused && zip(lastRounds, rounds).allSatisfy { $0 < $1 }
    }
}

extension FetchSchedule.Timer {
    /// Whether the attempt of the timer still runs.
    fileprivate func isCurrent(in fetches: [FetchID: FetchSchedule.Fetch]) -> Bool {
        fetches[id]?.attempt?.serial == serial
    }
}

extension FetchClass {
    /// The index in `overdue`.
    fileprivate var overdueIndex: Int { self == .retry ? 1 : 0 }
}
