import DANE
import Discovery
import MTASTS
import TextFormats

/// The DANE results of destinations and the discoveries in progress.
///
/// A pure value like `PolicyCache`, but in memory only. A result is fresh for the least TTL of its answers. After that the
/// next lookup starts a discovery and waits for it `CacheSettings.maximumWait`. If the discovery takes longer or fails, the
/// last complete result counts for up to `maximumTTL` more: as a whole, or for the hosts that failed. Without a complete
/// result a lookup gets what the discovery has found so far; each missing answer counts as failed.
/// Protocol: RFC 7672 §2.1.2.
/// Concurrency: none of its own; `PolicyService` guards it with a mutex.
/// Limits: `CacheSettings.maximumDomains` destinations.
package struct DANECache: Sendable {
    /// The cache's answer to a lookup. `atMost: nil`: wait as long as the lookup may take.
    package enum Lookup: Equatable, Sendable {
        case answer(DANEStatus)
        /// A discovery is in progress: wait for it.
        case join(FlightID, atMost: Duration?)
        /// Start a discovery and wait for it.
        case start(FlightID, atMost: Duration?)
    }

    fileprivate struct CachedResult: Sendable {
        let result: DANEResult
        /// Computed once, because each hit needs it.
        let status: DANEStatus
        let at: WallTime
        let lifetime: Duration
    }

    package struct Entry: Sendable {
        /// The last result, complete or not.
        fileprivate var latest: CachedResult?
        /// The last result in which no query failed.
        fileprivate var complete: CachedResult?
        /// The status of the latest result with the answers of `complete` in place of failed ones, while `complete` counts.
        /// `nil`: it adds nothing to `complete`.
        fileprivate var combined: DANEStatus?
        fileprivate var flight: FlightID?

        func isFresh(at now: WallTime) -> Bool {
            guard let latest else { return false }
            return now.isWithin(latest.lifetime, of: latest.at)
        }

        /// `nil`: there is no result, or it is too old.
        func status(at now: WallTime, settings: CacheSettings) -> DANEStatus? {
            let latest = usable(latest, at: now, settings: settings)
            guard let complete = usable(complete, at: now, settings: settings) else { return latest?.status }
            guard latest != nil, let combined else { return complete.status }
            return combined
        }

        /// When the status of a fresh entry may change; `nil`: it is not fresh.
        fileprivate func answerEnd(at now: WallTime, settings: CacheSettings) -> WallTime? {
            guard let latest, isFresh(at: now) else { return nil }
            let end = latest.at + latest.lifetime
            // A result in the future counts as soon as the clock has reached it.
            if let complete, complete.at.isAhead(of: now) { return nil }
            guard let complete = usable(complete, at: now, settings: settings) else { return end }
            return min(end, complete.at + complete.lifetime + settings.maximumTTL)
        }

        private func usable(_ cached: CachedResult?, at now: WallTime, settings: CacheSettings) -> CachedResult? {
            guard let cached, now.isWithin(cached.lifetime + settings.maximumTTL, of: cached.at) else { return nil }
            return cached
        }

        /// The status for a lookup that cannot wait until the discovery ends.
        ///
        /// - Parameter partial: the results so far; missing answers count as failed (RFC 7672 §2.1.2).
        func status(with partial: DANEResult, at now: WallTime, settings: CacheSettings) -> DANEStatus {
            let known = status(at: now, settings: settings)
            let hasComplete = usable(complete, at: now, settings: settings) != nil
            if let known, hasComplete || known.hasTLSA { return known }
            let unfinished = status(of: partial)
            // The last discovery failed. Its result counts as long as this discovery does not know more.
            if let known, case .known(.notApplicable, _) = unfinished { return known }
            return unfinished
        }

        /// The status of a result. If the last complete result was signed, an error may hide signed records.
        private func status(of result: DANEResult) -> DANEStatus {
            let wasSigned = complete?.result.showsSigned(for: result) ?? false
            return .known(result.coverage(wasSigned: wasSigned), reason: result.reason)
        }

        mutating func store(_ result: DANEResult, lifetime: Duration, at now: WallTime) {
            latest = CachedResult(result: result, status: status(of: result), at: now, lifetime: lifetime)
            if result.isComplete { complete = latest }
            let combined = complete.map { status(of: result.completed(with: $0.result)) }
            // TLSA records count even if another query failed. So does a host that certainly has no TLSA records: whatever the
            // failed answers may be, DANE does not protect all hosts any more.
            self.combined = combined.flatMap { combined in
                let isNew =
                    combined.hasTLSA || !combined.isMissingAnswers
                    || complete?.status.isComplete == true && combined.excludesComplete
                return isNew ? combined : nil
            }
        }
    }

    private struct Flight: Sendable {
        let destination: Destination
        let startedAt: WallTime
        /// There was no answer when it started, so lookups that join wait until it ends.
        var hasNoAnswerYet: Bool
        var partial: DANEResult
    }

    private var settings: CacheSettings
    private var entries: LRUCache<Destination, Entry>
    private var flights: [FlightID: Flight] = [:]
    private var lastFlight: UInt64 = 0

    package init(settings: CacheSettings = CacheSettings()) {
        self.settings = settings
        entries = LRUCache(capacity: settings.maximumDomains, priorities: 1)
    }

    /// Uses these settings from now on. `maximumDomains` stays.
    package mutating func update(settings new: CacheSettings) { settings = new }

    /// Destinations in memory.
    package var count: Int { entries.count }

    // MARK: Lookups

    /// A cache hit; `nil`: call `lookup`.
    package mutating func answer(to destination: Destination, at now: WallTime) -> DANEStatus? {
        let settings = settings
        let answer = entries.use(destination) { entry in
            entry.isFresh(at: now) ? entry.status(at: now, settings: settings) : nil
        }
        return answer ?? nil
    }

    /// A hit of `DANECache`.
    package typealias Hit = RepeatableHit<Destination, Entry>

    /// The hit that `answer` has just had, to be repeated; `nil`: it cannot be repeated.
    package func repeatableHit(of destination: Destination, at now: WallTime) -> Hit? {
        guard let handle = entries.handle(of: destination),
            let end = entries.peek(destination)?.answerEnd(at: now, settings: settings)
        else { return nil }
        return Hit(handle, from: now, until: end)
    }

    /// `false`: the answer may have changed.
    package mutating func repeats(_ hit: Hit, at now: WallTime) -> Bool {
        hit.validity.contains(now) && entries.use(hit.handle) { _ in } != nil
    }

    /// Postfix looks the destination up.
    package mutating func lookup(_ destination: Destination, at now: WallTime) -> Lookup {
        var entry = entries.use(destination) ?? Entry()
        let known = entry.status(at: now, settings: settings)
        if entry.isFresh(at: now), let known { return .answer(known) }
        if let flight = entry.flight { return join(flight, entry: entry, at: now) }
        lastFlight += 1
        let id = FlightID(number: lastFlight)
        let hasNoAnswerYet = known == nil
        flights[id] = Flight(
            destination: destination, startedAt: now, hasNoAnswerYet: hasNoAnswerYet,
            partial: .unfinished(destination))
        entry.flight = id
        _ = entries.store(entry, for: destination, priority: nil)
        return .start(id, atMost: hasNoAnswerYet ? nil : settings.maximumWait)
    }

    private func join(_ id: FlightID, entry: Entry, at now: WallTime) -> Lookup {
        guard let flight = flights[id], !flight.hasNoAnswerYet, entry.status(at: now, settings: settings) != nil else {
            return .join(id, atMost: nil)
        }
        return settings.remainingWait(since: flight.startedAt, at: now).map { .join(id, atMost: $0) }
            ?? .answer(entry.status(with: flight.partial, at: now, settings: settings))
    }

    /// What is known now, for a lookup that cannot wait any longer. In an unfinished first discovery the missing answers
    /// count as failed.
    package func status(of destination: Destination, at now: WallTime) -> DANEStatus {
        let entry = entries.peek(destination) ?? Entry()
        let partial = entry.flight.flatMap { flights[$0]?.partial } ?? .unfinished(destination)
        return entry.status(with: partial, at: now, settings: settings)
    }

    /// A discovery has a first part of its result and continues.
    package mutating func progressReceived(_ progress: DANEProgress, in id: FlightID) {
        guard let partial = flights[id]?.partial else { return }
        flights[id]?.partial = partial.updated(with: progress)
    }

    /// A discovery has ended.
    ///
    /// - Parameter result: `nil`: it was cancelled because the daemon stops.
    /// - Returns: the answer for the lookups that wait for it.
    package mutating func finish(_ id: FlightID, result: DANEResult?, at now: WallTime) -> DANEStatus {
        guard let flight = flights.removeValue(forKey: id) else {
            return .known(.notApplicable, reason: "discovery not finished in time")
        }
        var entry = entries.peek(flight.destination) ?? Entry()
        entry.flight = nil
        if let result { entry.store(result, lifetime: lifetime(of: result), at: now) }
        _ = entries.store(entry, for: flight.destination, priority: 0)
        return entry.status(with: result ?? flight.partial, at: now, settings: settings)
    }

    /// A failed result is replaced soon, and sooner if this host failed.
    private func lifetime(of result: DANEResult) -> Duration {
        if result.hasLocalFailure { return min(settings.localFailureLifetime, settings.minimumTTL) }
        guard result.isComplete else { return settings.minimumTTL }
        return settings.lifetime(ofTTL: result.timeToLive)
    }

    // MARK: The operator

    /// All slots, to be visited some at a time.
    package var slots: Range<Int> { entries.slots }

    /// Forgets a domain's results, of all ports, in a range of slots. A discovery in progress continues, and its result
    /// counts as the first one.
    ///
    /// - Returns: whether there was a result.
    package mutating func forget(_ domain: PolicyDomain, in range: Range<Int>) -> Bool {
        var found: [(destination: Destination, entry: Entry)] = []
        entries.visit(range) { _, destination, entry in
            if destination.domain == domain { found.append((destination, entry)) }
        }
        for (destination, entry) in found {
            guard let flight = entry.flight else {
                entries.remove(destination)
                continue
            }
            entries.replace(Entry(flight: flight), for: destination)
            flights[flight]?.hasNoAnswerYet = true
        }
        return found.contains { $0.entry.latest != nil }
    }

    /// What is known of a destination.
    ///
    /// - Parameter report: each answer of DNS. It is used only if it belongs to the latest result.
    package func report(on destination: Destination, report: DANEReport?, at now: WallTime) -> DANEEntryReport {
        let entry = entries.peek(destination)
        let latest = entry?.latest
        return DANEEntryReport(
            status: status(of: destination, at: now), result: latest?.result, at: latest?.at,
            freshUntil: latest.map { $0.at + $0.lifetime },
            usableUntil: entry?.complete.map { $0.at + $0.lifetime + settings.maximumTTL },
            report: report.flatMap { $0.result == latest?.result ? $0 : nil }, isInProgress: entry?.flight != nil)
    }
}

extension DANEStatus {
    fileprivate var isComplete: Bool {
        if case .known(.complete, _) = self { true } else { false }
    }

    /// Unknown, and none of the possible answers makes it complete.
    fileprivate var excludesComplete: Bool {
        guard case .known(.unknown(let possible), _) = self else { return false }
        return !possible.contains(.complete)
    }

    /// A host with TLSA records was found.
    fileprivate var hasTLSA: Bool {
        switch self {
        case .known(.complete, _), .known(.partial, _): true
        case .known(.unknown, _), .known(.notApplicable, _), .off: false
        }
    }
}
