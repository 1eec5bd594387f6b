import Discovery
import HeapModule

/// Who gets which key and which slot.
extension FetchSchedule {
    /// Carries the event to its end: no fetch is on its way, no slot is free that somebody may have.
    mutating func finish(_ now: Instant) -> [Action] {
        endTurns(now)
        endWaiting(now)
        repeat {
            while let id = moving.popLast() { takeKeys(id, now) }
            // One that is dropped may make room for others.
        } while fillSlot(now) || dropOldest(now)
        forgetUnusedKeys()
        defer { actions = [] }
        return actions
    }

    /// Takes the fetch's keys one after another, until one is full.
    private mutating func takeKeys(_ id: FetchID, _ now: Instant) {
        while let fetch = fetches[id], fetch.held < fetch.keys.count {
            let key = fetch.keys[fetch.held]
            guard keys[key, default: KeyState()].holders.count < limit(of: key) else {
                keys[key]?.line.add(id, fetch.kind)
                setTimer(id)
                if let holder = holder(of: key, givingWayTo: fetch.kind, now) { displace(holder, now) }
                return
            }
            keys[key, default: KeyState()].holders.insert(id)
            fetches[id]?.held += 1
        }
        waitForSlot(id)
    }

    private func limit(of key: FetchKey) -> Int {
        guard case .address = key else { return limits.share }
        return keys[key]?.isProven == true ? limits.share : limits.perAddress
    }

    /// One that has the full key and is to give it up: its turn is over, or it is a retry that still waits for something
    /// else.
    private func holder(of key: FetchKey, givingWayTo kind: FetchClass, _ now: Instant) -> FetchID? {
        var longest: (id: FetchID, turnEnd: Instant)?
        var waiting: FetchID?
        for id in keys[key]?.holders ?? [] {
            guard let fetch = fetches[id] else { continue }
            if let attempt = fetch.attempt {
                guard attempt.turnEnd <= now else { continue }
                if longest.map({ attempt.turnEnd < $0.turnEnd }) ?? true { longest = (id, attempt.turnEnd) }
            } else if fetch.kind == .retry, kind != .retry {
                waiting = id
            }
        }
        return longest?.id ?? waiting
    }

    private mutating func waitForSlot(_ id: FetchID) {
        guard let fetch = fetches[id] else { return }
        let kind = fetch.kind.rawValue
        let address = FetchKey.address(fetch.addresses[0])
        // An address that answers keeps a slot for a short time only, so its fetches need not wait for the next round.
        let next = keys[address]?.isProven == true ? 0 : (keys[address]?.lastRounds[kind] ?? -1) + 1
        let round = max(rounds[kind], fetch.round, next)
        keys[address]?.lastRounds[kind] = round
        slotLine.add(id, fetch.kind, round: round)
        setTimer(id)
    }

    /// Chooses the round anew for a fetch that waits for a slot.
    mutating func bringForward(_ id: FetchID) {
        guard let fetch = fetches[id], fetch.attempt == nil, fetch.held == fetch.keys.count else { return }
        slotLine.remove(id, fetch.kind)
        waitForSlot(id)
    }

    private mutating func setTimer(_ id: FetchID) {
        guard let fetch = fetches[id], !fetch.hasTimer else { return }
        fetches[id]?.hasTimer = true
        deadlines.insert(Timer(at: fetch.deadline, id: id, serial: 0))
    }

    // MARK: Slots

    /// Gives one slot to the next in line.
    ///
    /// - Returns: whether anything was done.
    private mutating func fillSlot(_ now: Instant) -> Bool {
        var classes: [FetchClass] = [.cachedPolicy, .firstContact]
        if retriesInFlight < limits.retries { classes.append(.retry) }
        if classes.contains(where: { slotLine.isWaiting($0) }) {
            guard inFlight < limits.slots || interruptOne(of: [.retry, .firstContact], now) else { return false }
        } else {
            // Retries that have all they may have give way to each other only.
            guard slotLine.isWaiting(.retry), interruptOne(of: [.retry], now) else { return false }
            classes = [.retry]
        }
        guard let (id, round) = slotLine.next(of: classes), let kind = fetches[id]?.kind else { return true }
        rounds[kind.rawValue] = max(rounds[kind.rawValue], round)
        dial(id, now)
        return true
    }

    private mutating func dial(_ id: FetchID, _ now: Instant) {
        guard var fetch = fetches[id] else { return }
        lastSerial += 1
        let attempt = Attempt(
            serial: lastSerial, start: now, turnEnd: now + fetch.kind.turn,
            limits: .share(of: fetch.deadline - now, addressesLeft: fetch.addresses.count))
        fetch.attempt = attempt
        fetch.wasDialled = true
        fetches[id] = fetch
        inFlight += 1
        if fetch.kind == .retry { retriesInFlight += 1 }
        turns.insert(Timer(at: attempt.turnEnd, id: id, serial: attempt.serial))
        if turns.count > 2 * limits.slots + 64 { turns = Heap(turns.unordered.filter { $0.isCurrent(in: fetches) }) }
        actions.append(.dial(id, fetch.request, fetch.addresses[0], attempt.limits))
    }

    /// Interrupts an attempt whose turn is over.
    private mutating func interruptOne(of kinds: [FetchClass], _ now: Instant) -> Bool {
        for kind in kinds {
            while let timer = overdue[kind.overdueIndex].popMin() {
                guard timer.isCurrent(in: fetches) else { continue }
                displace(timer.id, now)
                return true
            }
        }
        return false
    }

    // MARK: Giving way

    /// Takes its slot and its keys from a fetch, which then begins anew as a retry.
    private mutating func displace(_ id: FetchID, _ now: Instant) {
        guard let isAttempted = fetches[id].map({ $0.attempt != nil }) else { return }
        if isAttempted { prove(id, false) }
        stop(id, now)
        guard var fetch = fetches[id] else { return }
        guard now < fetch.deadline else { return end(id, .failure(fetch.failureAtDeadline(timeout))) }
        if isAttempted {
            // Silent so far: another address may answer. Other retries that wait go first.
            fetch.addresses.append(fetch.addresses.removeFirst())
            if fetch.kind == .retry { fetch.round = rounds[FetchClass.retry.rawValue] + 1 }
            fetch.kind = .retry
            fetches[id] = fetch
            chooseAddress(id)
        }
        moving.append(id)
    }

    /// Ends the fetch's attempt or its waiting; all its keys are free again.
    mutating func stop(_ id: FetchID, _ now: Instant) {
        guard let fetch = fetches[id] else { return }
        if fetch.attempt != nil {
            actions.append(.hangUp(id))
        } else if fetch.held < fetch.keys.count {
            keys[fetch.keys[fetch.held]]?.line.remove(id, fetch.kind)
        } else {
            slotLine.remove(id, fetch.kind)
        }
        leave(id, now)
    }

    /// Gives back what the fetch holds: keys go to those that wait for them.
    mutating func leave(_ id: FetchID, _ now: Instant) {
        guard var fetch = fetches[id] else { return }
        if let attempt = fetch.attempt {
            inFlight -= 1
            if fetch.kind == .retry { retriesInFlight -= 1 }
            fetch.dialledFor += now - attempt.start
            fetch.attempt = nil
        }
        let held = fetch.keys.prefix(fetch.held)
        fetch.held = 0
        fetches[id] = fetch
        for key in held {
            keys[key]?.holders.remove(id)
            admit(to: key)
        }
    }

    private mutating func admit(to key: FetchKey) {
        // No copy of the state is kept meanwhile: changing it would copy the whole line.
        while (keys[key]?.holders.count ?? 0) < limit(of: key), let (id, _) = keys[key]?.line.next() {
            keys[key]?.holders.insert(id)
            fetches[id]?.held += 1
            moving.append(id)
        }
        if keys[key]?.isForgettable(in: rounds) == true { keys[key] = nil }
    }

    /// Forgets which addresses have had their attempt in this round, when they are many: the next round begins.
    private mutating func forgetUnusedKeys() {
        guard keys.count > 4 * fetches.count + 4_096 else { return }
        for kind in rounds.indices { rounds[kind] += 1 }
        keys = keys.filter { !$0.value.isUnused }
    }

    /// Puts the first address first that has less than its share of attempts, if there is one.
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

    /// Interrupts the attempts whose turn is over and whose keys others wait for, and notes the rest for slots.
    private mutating func endTurns(_ now: Instant) {
        while let timer = turns.min, timer.at <= now {
            _ = turns.popMin()
            guard let fetch = fetches[timer.id], timer.isCurrent(in: fetches) else { continue }
            if fetch.keys.contains(where: { keys[$0]?.line.isEmpty == false }) {
                displace(timer.id, now)
            } else {
                let index = fetch.kind.overdueIndex
                overdue[index].insert(timer)
                if overdue[index].count > 2 * limits.slots + 64 {
                    overdue[index] = Heap(overdue[index].unordered.filter { $0.isCurrent(in: fetches) })
                }
            }
        }
    }

    /// Ends those that have waited until their deadline.
    private mutating func endWaiting(_ now: Instant) {
        while let timer = deadlines.min, timer.at <= now {
            _ = deadlines.popMin()
            fetches[timer.id]?.hasTimer = false
            guard let fetch = fetches[timer.id], fetch.attempt == nil else { continue }
            stop(timer.id, now)
            end(timer.id, .failure(fetch.failureAtDeadline(timeout)))
        }
        if deadlines.count > 2 * fetches.count + 64 {
            deadlines = Heap(deadlines.unordered.filter { fetches[$0.id] != nil })
        }
    }

    /// Ends the fetch that has waited longest, if too many wait.
    ///
    /// - Returns: whether one was ended.
    private mutating func dropOldest(_ now: Instant) -> Bool {
        guard waitingCount > limits.waiting else { return false }
        while let timer = deadlines.popMin() {
            fetches[timer.id]?.hasTimer = false
            guard let fetch = fetches[timer.id], fetch.attempt == nil else { continue }
            stop(timer.id, now)
            end(timer.id, .failure(.noSlot(fetch.wasDialled ? .interrupted(within: timeout) : .queueFull)))
            return true
        }
        return false
    }
}

extension FetchSchedule.KeyState {
    fileprivate var isUnused: Bool { holders.isEmpty && line.isEmpty }

    /// Whether it is as good as new in these rounds.
    fileprivate func isForgettable(in rounds: [Int]) -> Bool {
        isUnused && zip(lastRounds, rounds).allSatisfy { $0 < $1 }
    }
}

extension FetchSchedule.Timer {
    /// Whether the attempt for which it was set still runs.
    fileprivate func isCurrent(in fetches: [FetchID: FetchSchedule.Fetch]) -> Bool {
        fetches[id]?.attempt?.serial == serial
    }
}

extension FetchClass {
    /// Where overdue attempts of this class are.
    fileprivate var overdueIndex: Int { self == .retry ? 1 : 0 }
}
