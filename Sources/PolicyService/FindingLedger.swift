import DANE
import Discovery

/// What DANE means for each destination, who is finding out, and when to ask again.
///
/// A pure value like `PolicyLedger`, and apart from it: findings have a life of their own, in memory only. A finding lives
/// for the least TTL of its answers. After that the next lookup asks again and waits 2 seconds at most; where news is late
/// or fails, the last complete finding counts for at most another `maximumTTL`.
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
        let at: WallTime
        let lifetime: Duration
    }

    private struct Entry: Sendable {
        /// The last finding, complete or not.
        var latest: Kept?
        /// The last one in which no question failed.
        var complete: Kept?
        var flight: FlightID?
    }

    private struct Flight: Sendable {
        let destination: DANEDestination
        let startedAt: WallTime
        let nothingAtHand: Bool
    }

    private let settings: LedgerSettings
    private var entries: BoundedStore<DANEDestination, Entry>
    private var flights: [FlightID: Flight] = [:]
    private var lastFlight: UInt64 = 0

    package init(settings: LedgerSettings = LedgerSettings()) {
        self.settings = settings
        entries = BoundedStore(capacity: settings.maximumDomains, ranks: 1)
    }

    /// Destinations in memory.
    package var count: Int { entries.count }

    /// A hit; `nil` where `asked` has to be.
    package mutating func answer(to destination: DANEDestination, at now: WallTime) -> DANEStanding? {
        guard let entry = entries.use(destination), isFresh(entry, at: now) else { return nil }
        return standing(of: entry, at: now)
    }

    package mutating func asked(_ destination: DANEDestination, at now: WallTime) -> Asked {
        var entry = entries.use(destination) ?? Entry()
        if isFresh(entry, at: now), let standing = standing(of: entry, at: now) { return .answer(standing) }
        if let flight = entry.flight { return asked(during: flight, entry, at: now) }
        lastFlight += 1
        let id = FlightID(number: lastFlight)
        let nothingAtHand = standing(of: entry, at: now) == nil
        flights[id] = Flight(destination: destination, startedAt: now, nothingAtHand: nothingAtHand)
        entry.flight = id
        _ = entries.store(entry, for: destination, rank: nil)
        return .start(id, atMost: nothingAtHand ? nil : settings.patience)
    }

    private func asked(during id: FlightID, _ entry: Entry, at now: WallTime) -> Asked {
        guard let flight = flights[id], !flight.nothingAtHand, let known = standing(of: entry, at: now) else {
            return .join(id, atMost: nil)
        }
        let left = settings.patience - max(.zero, now - flight.startedAt)
        return left > .zero ? .join(id, atMost: left) : .answer(known)
    }

    /// What can be said now, for one who cannot wait any longer: an unfinished first discovery is one that failed.
    package func standing(of destination: DANEDestination, at now: WallTime) -> DANEStanding {
        entries.peek(destination).flatMap { standing(of: $0, at: now) } ?? Self.unfinished
    }

    /// A discovery has ended.
    ///
    /// - Returns: what those hear who waited.
    package mutating func landed(_ id: FlightID, _ finding: DANEFinding, at now: WallTime) -> DANEStanding {
        guard let flight = flights.removeValue(forKey: id), var entry = entries.peek(flight.destination) else {
            return Self.unfinished
        }
        entry.flight = nil
        entry.latest = Kept(finding: finding, at: now, lifetime: lifetime(of: finding))
        if finding.isComplete { entry.complete = entry.latest }
        _ = entries.store(entry, for: flight.destination, rank: 0)
        return standing(of: entry, at: now) ?? Self.unfinished
    }

    /// A discovery was given up: the daemon stops.
    package mutating func abandon(_ id: FlightID, at now: WallTime) -> DANEStanding {
        guard let flight = flights.removeValue(forKey: id), var entry = entries.peek(flight.destination) else {
            return Self.unfinished
        }
        entry.flight = nil
        _ = entries.store(entry, for: flight.destination, rank: 0)
        return standing(of: entry, at: now) ?? Self.unfinished
    }

    // MARK: What is remembered

    private static let unfinished = DANEStanding.known(.notApplicable, reason: nil)

    /// What failed is asked again soon.
    private func lifetime(of finding: DANEFinding) -> Duration {
        guard finding.isComplete else { return settings.minimumTTL }
        return min(max(.seconds(finding.timeToLive), settings.minimumTTL), settings.maximumTTL)
    }

    private func isFresh(_ entry: Entry, at now: WallTime) -> Bool {
        guard let latest = entry.latest else { return false }
        return now.isWithin(latest.lifetime, of: latest.at)
    }

    private func standing(of entry: Entry, at now: WallTime) -> DANEStanding? {
        guard let latest = entry.latest else { return nil }
        if let complete = entry.complete, now.isWithin(complete.lifetime + settings.maximumTTL, of: complete.at) {
            return .known(complete.finding.coverage(wasSigned: false), reason: nil)
        }
        // Nobody has asked for long, or all that was asked since failed.
        guard !latest.finding.isComplete else { return nil }
        let wasSigned = entry.complete?.finding.isSigned ?? false
        return .known(latest.finding.coverage(wasSigned: wasSigned), reason: latest.finding.reason)
    }
}
