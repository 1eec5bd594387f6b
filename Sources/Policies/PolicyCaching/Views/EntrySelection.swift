import MTASTS
import TextFormats

/// Selects the domains of one page from all entries, which it gets in any order.
///
/// Limits: it holds names and cursors of two pages, of one more entry, and of the entries since the last `trim`.
package struct EntrySelection: Sendable {
    private struct Candidate: Sendable {
        let cursor: EntryCursor
        let domain: PolicyDomain
    }

    private let query: EntryQuery
    private let text: [UInt8]
    private let now: WallTime
    private let limit: Int
    private var candidates: [Candidate] = []
    /// Entries after this one cannot be on the page.
    private var bound: EntryCursor?

    /// - Parameter limit: entries on the page, at least 1.
    package init(_ query: EntryQuery, limit: Int, at now: WallTime) {
        self.query = query
        self.limit = limit
        self.now = now
        text = Array(query.text.lowercased().utf8)
    }

    /// The slot to begin with.
    package var first: Int {
        guard query.order == .none, let after = query.after else { return 0 }
        return Int(max(-1, min(after.key, Int64(Int32.max)))) + 1
    }

    /// Whether no further entry can be on the page.
    package var isComplete: Bool { query.order == .none && candidates.count > limit }

    mutating func consider(
        _ domain: PolicyDomain, entry: CacheEntry, at slot: Int, settings: CacheSettings
    ) {
        guard isSelected(domain, entry: entry, settings: settings) else { return }
        let cursor = EntryCursor(key: key(of: entry, at: slot), domain: query.order == .none ? "" : domain.name.text)
        if let after = query.after, !query.puts(after, before: cursor) { return }
        if let bound, !query.puts(cursor, before: bound) { return }
        candidates.append(Candidate(cursor: cursor, domain: domain))
    }

    /// Drops entries that cannot be on the page. It sorts, so call it outside the mutex, after each range of slots.
    package mutating func trim() {
        if candidates.count > 2 * limit { sort() }
    }

    /// Keeps the first entries of the order, and one more.
    private mutating func sort() {
        candidates.sort { [query] in query.puts($0.cursor, before: $1.cursor) }
        candidates.removeLast(max(0, candidates.count - limit - 1))
        if candidates.count > limit { bound = candidates.last?.cursor }
    }

    /// The page's domains and the beginning of the next page, after all entries were considered.
    package mutating func chosen() -> (domains: [PolicyDomain], next: EntryCursor?) {
        sort()
        let page = candidates.prefix(limit)
        return (page.map(\.domain), candidates.count > limit ? page.last?.cursor : nil)
    }

    // MARK: The query

    private func isSelected(_ domain: PolicyDomain, entry: CacheEntry, settings: CacheSettings) -> Bool {
        guard text.isEmpty || domain.name.text.contains(octets: text) else { return false }
        if let span = query.expiringWithin {
            guard let cached = entry.applicable(at: now), cached.end(asOf: now) - now < span else { return false }
        }
        guard !query.states.isEmpty || query.isFailing else { return true }
        let state = EntryState(entry.status(at: now, pauses: settings.pauses))
        return (query.states.isEmpty || query.states.contains(state)) && (!query.isFailing || entry.isFailing(state))
    }

    private func key(of entry: CacheEntry, at slot: Int) -> Int64 {
        switch query.order {
        case .none: Int64(slot)
        case .domain: 0
        case .expiry: key(of: entry.applicable(at: now)?.end(asOf: now))
        case .fetched: key(of: entry.cached?.fetchedAt)
        case .asked: entry.lastLookupAt.milliseconds
        }
    }

    /// A missing time is last in both directions.
    private func key(of time: WallTime?) -> Int64 {
        time?.milliseconds ?? (query.isDescending ? .min : .max)
    }
}

extension EntryQuery {
    fileprivate func puts(_ left: EntryCursor, before right: EntryCursor) -> Bool {
        let isLess = (left.key, left.domain) < (right.key, right.domain)
        guard isDescending, order != .none else { return isLess }
        return left != right && !isLess
    }
}

extension CacheEntry {
    /// Whether the last TXT query or the last fetch failed because of the domain's servers. Always `false` for mode `none`
    /// (RFC 8461 §8.3).
    func isFailing(_ state: EntryState) -> Bool {
        guard state != .none else { return false }
        // An error of this host proves nothing about the domain.
        if case .failed(let failure) = record?.result, !failure.isLocal { return true }
        return failedFetch != nil
    }
}

extension String {
    /// Whether it contains the octets.
    fileprivate func contains(octets: [UInt8]) -> Bool {
        var copy = self
        return copy.withUTF8 { text in
            guard text.count >= octets.count else { return false }
            return (0...(text.count - octets.count)).contains { text[$0...].starts(with: octets) }
        }
    }
}
