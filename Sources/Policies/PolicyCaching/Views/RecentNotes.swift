import MTASTS

/// The last few notes of each domain.
///
/// Limits: a number of domains, and of notes for each. The domain with the oldest last note is evicted first, so that one busy
/// domain does not evict all others.
package struct RecentNotes<Note: Sendable>: Sendable {
    private var notes: LRUCache<PolicyDomain, [Note]>
    private let limit: Int

    /// - Parameters:
    ///   - domains: the maximum number of domains.
    ///   - limit: the maximum number of notes for each.
    package init(domains: Int, limit: Int) {
        notes = LRUCache(capacity: domains, priorities: 1)
        self.limit = limit
    }

    package mutating func add(_ note: Note, of domain: PolicyDomain) {
        let limit = limit
        let isKnown: Void? = notes.use(domain) { notes in
            if notes.count >= limit { notes.removeFirst() }
            notes.append(note)
        }
        if isKnown == nil { _ = notes.store([note], for: domain, priority: 0) }
    }

    /// Newest first.
    package func last(of domain: PolicyDomain) -> [Note] { (notes.peek(domain) ?? []).reversed() }
}
