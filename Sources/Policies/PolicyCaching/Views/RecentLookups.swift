import Discovery
import MTASTS
import TextFormats

/// The last lookups of each domain, for `explain`.
///
/// Every lookup is added, so that costs one hash, no search and no allocation: the hash of a domain chooses a row, and a row
/// has slots for a few domains. The domain of the row with the oldest last lookup is evicted first, so one busy domain does
/// not evict others.
/// Limits: 512 rows of 4 domains with 4 lookups each, about half a mebibyte.
package struct RecentLookups: Sendable {
    /// A lookup of the domain of its slot.
    private struct Note: Sendable {
        let at: WallTime
        let reply: String
        let rule: Decision.Rule
        let isHost: Bool
        let port: UInt16?
    }

    private struct Slot: Sendable {
        var domain: PolicyDomain?
        /// Of the domain. Only a domain with the same hash is compared.
        var hash = 0
        /// The number of lookups of this domain since it has the slot.
        var count = 0
        /// The number of the domain's last lookup among all lookups; 0 in a free slot.
        var lastLookup = 0
    }

    private static let rowCount = 512
    private static let domainsPerRow = 4
    private static let lookupsPerDomain = 4

    private var slots: [Slot] = []
    /// For each slot a ring of its last lookups.
    private var notes: [Note?] = []
    /// Lookups so far.
    private var count = 0

    package init() {}

    package mutating func add(_ lookup: RecentLookup) {
        if slots.isEmpty {
            slots = Array(repeating: Slot(), count: Self.rowCount * Self.domainsPerRow)
            notes = Array(repeating: nil, count: slots.count * Self.lookupsPerDomain)
        }
        let destination = lookup.destination
        let slot = self.slot(for: destination.domain)
        count += 1
        slots[slot].lastLookup = count
        notes[Self.position(of: slots[slot].count, in: slot)] = Note(
            at: lookup.at, reply: lookup.reply, rule: lookup.rule, isHost: destination.isHost, port: destination.port)
        slots[slot].count += 1
    }

    /// The slot that the domain has, or gets now.
    private mutating func slot(for domain: PolicyDomain) -> Int {
        let hash = domain.hashValue
        let row = Self.row(of: hash)
        var oldest = row.lowerBound
        for slot in row {
            if slots[slot].hash == hash, slots[slot].domain == domain { return slot }
            if slots[slot].lastLookup < slots[oldest].lastLookup { oldest = slot }
        }
        slots[oldest] = Slot(domain: domain, hash: hash)
        return oldest
    }

    /// Newest first.
    package func last(of domain: PolicyDomain) -> [RecentLookup] {
        guard !slots.isEmpty, let slot = Self.row(of: domain.hashValue).first(where: { slots[$0].domain == domain })
        else {
            return []
        }
        let count = slots[slot].count
        return (max(0, count - Self.lookupsPerDomain)..<count).reversed().compactMap { number in
            notes[Self.position(of: number, in: slot)].map { note in
                let destination = Destination(domain: domain, port: note.port, isHost: note.isHost)
                return RecentLookup(destination: destination, at: note.at, rule: note.rule, reply: note.reply)
            }
        }
    }

    private static func row(of hash: Int) -> Range<Int> {
        let first = (hash & (rowCount - 1)) * domainsPerRow
        return first..<first + domainsPerRow
    }

    /// Where the lookup with this number of a domain is.
    private static func position(of number: Int, in slot: Int) -> Int {
        slot * lookupsPerDomain + number % lookupsPerDomain
    }
}
