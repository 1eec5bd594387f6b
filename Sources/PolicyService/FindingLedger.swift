import DANE
import Discovery
import MTASTS

/// What DANE means for each destination, who is finding out, and when to ask again.
///
/// A pure value like `PolicyLedger`, and apart from it: findings have a life of their own, in memory only. A finding lives
/// for the least TTL of its answers. After that the next lookup asks again and waits 2 seconds at most; where news is late
/// or fails, the last complete finding counts for at most another `maximumTTL`: as a whole, or for the hosts that failed.
/// Without one a lookup that cannot wait gets what the discovery has found by then, with each missing answer as a failed
/// one.
/// Concurrency: none of its own; `PolicyService` keeps it behind a mutex.
package struct FindingLedger: Sendable {
    package enum Asked: Equatable, Sendable {
        case answer(DANEStanding)
        /// A discovery is under way: wait for it. `nil`: as long as the lookup may take at all.
        case join(FlightID, atMost: Duration?)
        case start(FlightID, atMost: Duration?)
    }

    private struct Kept: Sendable {
        let finding: DANEFinding
        /// What it comes to, worked out once: each hit needs it.
        let standing: DANEStanding
        let at: WallTime
        let lifetime: Duration
    }

    private struct Entry: Sendable {
        /// The last finding, complete or not.
        var latest: Kept?
        /// The last one in which no question failed.
        var complete: Kept?
        /// What the latest finding comes to with the complete one's answers in place of failed ones, for as long as that
        /// one counts; `nil`: it says no more than the complete one.
        var combined: DANEStanding?
        var flight: FlightID?

        func isFresh(at now: WallTime) -> Bool {
            guard let latest else { return false }
            return now.isWithin(latest.lifetime, of: latest.at)
        }

        /// `nil`: nobody has asked for long, so what was found out then says nothing of now.
        func standing(at now: WallTime, _ settings: LedgerSettings) -> DANEStanding? {
            let (latest, complete) = (inForce(latest, at: now, settings), inForce(complete, at: now, settings))
            guard let complete else { return latest?.standing }
            guard latest != nil, let combined else { return complete.standing }
            return combined
        }

        private func inForce(_ kept: Kept?, at now: WallTime, _ settings: LedgerSettings) -> Kept? {
            guard let kept, now.isWithin(kept.lifetime + settings.maximumTTL, of: kept.at) else { return nil }
            return kept
        }

        /// What can be said to one who cannot wait for the end of a discovery.
        ///
        /// - Parameter soFar: what the discovery has found; what is missing counts as failed (RFC 7672 §2.1.2).
        func standing(whileKnowing soFar: DANEFinding, at now: WallTime, _ settings: LedgerSettings) -> DANEStanding {
            let kept = standing(at: now, settings)
            if let kept, inForce(complete, at: now, settings) != nil || kept.hasTLSA { return kept }
            let unfinished = standing(of: soFar)
            // The last discovery failed. It counts where this one does not know more yet.
            if let kept, case .known(.notApplicable, _) = unfinished { return kept }
            return unfinished
        }

        /// What a finding comes to. Where the last complete one was signed, an error may hide what it signed.
        private func standing(of finding: DANEFinding) -> DANEStanding {
            let wasSigned = complete?.finding.vouches(forErrorsOf: finding) ?? false
            return .known(finding.coverage(wasSigned: wasSigned), reason: finding.reason)
        }

        mutating func learn(_ finding: DANEFinding, lifetime: Duration, at now: WallTime) {
            latest = Kept(finding: finding, standing: standing(of: finding), at: now, lifetime: lifetime)
            if finding.isComplete { complete = latest }
            let combined = complete.map { standing(of: finding.completed(by: $0.finding)) }
            // TLSA records that were seen are news, though another question failed. So is a host that certainly has none: what
            // the failed answers may be, DANE does not protect the whole way any more.
            self.combined = combined.flatMap { combined in
                let isNews =
                    combined.hasTLSA || !combined.isMissingAnswers
                    || complete?.standing.isComplete == true && combined.excludesComplete
                return isNews ? combined : nil
            }
        }
    }

    private struct Flight: Sendable {
        let destination: DANEDestination
        let startedAt: WallTime
        var nothingAtHand: Bool
        /// What was found by now.
        var soFar: DANEFinding
    }

    private var settings: LedgerSettings
    private var entries: BoundedStore<DANEDestination, Entry>
    private var flights: [FlightID: Flight] = [:]
    private var lastFlight: UInt64 = 0

    package init(settings: LedgerSettings = LedgerSettings()) {
        self.settings = settings
        entries = BoundedStore(capacity: settings.maximumDomains, ranks: 1)
    }

    /// From now on these numbers count; but the room stays as it was made.
    package mutating func use(_ new: LedgerSettings) { settings = new }

    /// Destinations in memory.
    package var count: Int { entries.count }

    /// A hit; `nil` where `asked` has to be.
    package mutating func answer(to destination: DANEDestination, at now: WallTime) -> DANEStanding? {
        let settings = settings
        let answer = entries.use(destination) { entry in
            entry.isFresh(at: now) ? entry.standing(at: now, settings) : nil
        }
        return answer ?? nil
    }

    package mutating func asked(_ destination: DANEDestination, at now: WallTime) -> Asked {
        var entry = entries.use(destination) ?? Entry()
        if entry.isFresh(at: now), let standing = entry.standing(at: now, settings) { return .answer(standing) }
        if let flight = entry.flight { return asked(during: flight, entry, at: now) }
        lastFlight += 1
        let id = FlightID(number: lastFlight)
        let nothingAtHand = entry.standing(at: now, settings) == nil
        flights[id] = Flight(
            destination: destination, startedAt: now, nothingAtHand: nothingAtHand, soFar: .unfinished(destination))
        entry.flight = id
        _ = entries.store(entry, for: destination, rank: nil)
        return .start(id, atMost: nothingAtHand ? nil : settings.patience)
    }

    private func asked(during id: FlightID, _ entry: Entry, at now: WallTime) -> Asked {
        guard let flight = flights[id], !flight.nothingAtHand, entry.standing(at: now, settings) != nil else {
            return .join(id, atMost: nil)
        }
        return settings.patienceLeft(since: flight.startedAt, at: now).map { .join(id, atMost: $0) }
            ?? .answer(entry.standing(whileKnowing: flight.soFar, at: now, settings))
    }

    /// What can be said now, for one who cannot wait any longer. In an unfinished first discovery the missing answers
    /// count as failed, and those that did arrive count as what they are.
    package func standing(of destination: DANEDestination, at now: WallTime) -> DANEStanding {
        let entry = entries.peek(destination) ?? Entry()
        let soFar = entry.flight.flatMap { flights[$0]?.soFar } ?? .unfinished(destination)
        return entry.standing(whileKnowing: soFar, at: now, settings)
    }

    /// A discovery has found something, and goes on.
    package mutating func progressed(_ id: FlightID, _ progress: DANEProgress) {
        guard let soFar = flights[id]?.soFar else { return }
        flights[id]?.soFar = soFar.updated(with: progress)
    }

    /// A discovery has ended.
    ///
    /// - Parameter finding: `nil`: it was given up, the daemon stops.
    /// - Returns: what those hear who waited.
    package mutating func landed(_ id: FlightID, _ finding: DANEFinding?, at now: WallTime) -> DANEStanding {
        guard let flight = flights.removeValue(forKey: id) else {
            return .known(.notApplicable, reason: "discovery not finished in time")
        }
        var entry = entries.peek(flight.destination) ?? Entry()
        entry.flight = nil
        if let finding { entry.learn(finding, lifetime: lifetime(of: finding), at: now) }
        _ = entries.store(entry, for: flight.destination, rank: 0)
        return entry.standing(whileKnowing: finding ?? flight.soFar, at: now, settings)
    }

    // MARK: The operator

    /// All places, for looking at some at a time.
    var places: Range<Int> { entries.places }

    /// Forgets a domain's findings, of all ports, in some of the places. What a discovery that is under way brings is news.
    ///
    /// - Returns: whether there was one.
    mutating func forget(_ domain: PolicyDomain, in slice: Range<Int>) -> Bool {
        var found: [(destination: DANEDestination, entry: Entry)] = []
        entries.visit(slice) { _, destination, entry in
            if destination.domain == domain { found.append((destination, entry)) }
        }
        for (destination, entry) in found {
            guard let flight = entry.flight else {
                entries.remove(destination)
                continue
            }
            entries.replace(Entry(flight: flight), for: destination)
            flights[flight]?.nothingAtHand = true
        }
        return found.contains { $0.entry.latest != nil }
    }

    /// What is remembered of a destination.
    ///
    /// - Parameter report: with each answer of DNS, should it be of the same finding.
    func report(
        on destination: DANEDestination, _ report: DANEReport?, at now: WallTime
    ) -> FindingReport {
        let entry = entries.peek(destination)
        let latest = entry?.latest
        return FindingReport(
            standing: standing(of: destination, at: now), finding: latest?.finding, at: latest?.at,
            freshUntil: latest.map { $0.at + $0.lifetime },
            usableUntil: entry?.complete.map { $0.at + $0.lifetime + settings.maximumTTL },
            report: report.flatMap { $0.finding == latest?.finding ? $0 : nil }, isUnderWay: entry?.flight != nil)
    }

    // MARK: What is remembered

    /// What failed is asked again soon, and sooner where this host failed.
    private func lifetime(of finding: DANEFinding) -> Duration {
        if finding.hasLocalFailure { return min(settings.localFailureLifetime, settings.minimumTTL) }
        guard finding.isComplete else { return settings.minimumTTL }
        return settings.lifetime(ofTTL: finding.timeToLive)
    }
}

extension DANEStanding {
    fileprivate var isComplete: Bool {
        if case .known(.complete, _) = self { true } else { false }
    }

    /// Not known, and none of the possible answers makes it complete.
    fileprivate var excludesComplete: Bool {
        guard case .known(.unknown(let possible), _) = self else { return false }
        return !possible.contains(.complete)
    }

    /// A host with TLSA records was seen.
    fileprivate var hasTLSA: Bool {
        switch self {
        case .known(.complete, _), .known(.partial, _): true
        case .known(.unknown, _), .known(.notApplicable, _), .off: false
        }
    }
}
