import MTASTS

/// The domains of one page, out of all entries that pass by in any order.
///
/// Holds the names and cursors of at most twice a page, of one entry more that tells that there is another page, and of
/// what has passed since the last `cut`.
struct EntrySelection: Sendable {
    private struct Candidate: Sendable {
        let cursor: EntryCursor
        let domain: PolicyDomain
    }

    private let query: EntryQuery
    private let text: [UInt8]
    private let now: WallTime
    private let limit: Int
    private var candidates: [Candidate] = []
    /// Nothing behind it can be on the page.
    private var bound: EntryCursor?

    /// - Parameter limit: entries on the page, at least 1.
    init(_ query: EntryQuery, limit: Int, at now: WallTime) {
        self.query = query
        self.limit = limit
        self.now = now
        text = Array(query.text.lowercased().utf8)
    }

    /// The place to begin with.
    var first: Int {
        guard query.order == .none, let after = query.after else { return 0 }
        return Int(max(-1, min(after.key, Int64(Int32.max)))) + 1
    }

    /// Whether whatever else passes by can be on the page no more.
    var isComplete: Bool { query.order == .none && candidates.count > limit }

    mutating func consider(_ domain: PolicyDomain, _ entry: LedgerEntry, at place: Int, _ settings: LedgerSettings) {
        guard isWanted(domain, entry, settings) else { return }
        let cursor = EntryCursor(key: key(of: entry, at: place), domain: query.order == .none ? "" : domain.name.text)
        if let after = query.after, !query.puts(after, before: cursor) { return }
        if let bound, !query.puts(cursor, before: bound) { return }
        candidates.append(Candidate(cursor: cursor, domain: domain))
    }

    /// Lets go of what cannot be on the page. To be called now and then; it sorts, so not under a mutex.
    mutating func cut() {
        if candidates.count > 2 * limit { sort() }
    }

    /// Leaves the first ones of the order, and one more.
    private mutating func sort() {
        candidates.sort { [query] in query.puts($0.cursor, before: $1.cursor) }
        candidates.removeLast(max(0, candidates.count - limit - 1))
        if candidates.count > limit { bound = candidates.last?.cursor }
    }

    /// Everything has passed by: the page's domains, and where the next page begins.
    mutating func chosen() -> (domains: [PolicyDomain], next: EntryCursor?) {
        sort()
        let page = candidates.prefix(limit)
        return (page.map(\.domain), candidates.count > limit ? page.last?.cursor : nil)
    }

    // MARK: The query

    private func isWanted(_ domain: PolicyDomain, _ entry: LedgerEntry, _ settings: LedgerSettings) -> Bool {
        guard text.isEmpty || domain.name.text.contains(octets: text) else { return false }
        if let span = query.expiringWithin {
            guard let held = entry.applicable(at: now), held.end(asOf: now) - now < span else { return false }
        }
        guard !query.states.isEmpty || query.isFailing else { return true }
        let state = EntryState(entry.standing(at: now, settings.pauses))
        return (query.states.isEmpty || query.states.contains(state)) && (!query.isFailing || entry.isFailing(state))
    }

    private func key(of entry: LedgerEntry, at place: Int) -> Int64 {
        switch query.order {
        case .none: Int64(place)
        case .domain: 0
        case .expiry: key(of: entry.applicable(at: now)?.end(asOf: now))
        case .fetched: key(of: entry.held?.fetchedAt)
        case .asked: entry.askedAt.milliseconds
        }
    }

    /// What is not there comes last, whichever way it is sorted.
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

extension LedgerEntry {
    /// Whether the last TXT query or the last fetch failed through the domain's servers, and that matters: of mode `none` it does not (RFC 8461 §8.3).
    func isFailing(_ state: EntryState) -> Bool {
        guard state != .none else { return false }
        // A failure of this host says nothing about the domain.
        if case .failed(let failure) = record?.finding, !failure.isLocal { return true }
        return failedFetch != nil
    }
}

extension String {
    /// Whether the octets stand somewhere in it.
    fileprivate func contains(octets wanted: [UInt8]) -> Bool {
        var copy = self
        return copy.withUTF8 { text in
            guard text.count >= wanted.count else { return false }
            return (0...(text.count - wanted.count)).contains { text[$0...].starts(with: wanted) }
        }
    }
}
