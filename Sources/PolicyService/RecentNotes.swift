import MTASTS

/// The last few notes of each domain that had one lately.
///
/// Bounded: by domains, and by notes of each; the domain that had none for longest goes first, so that one busy domain
/// does not push out all others.
struct RecentNotes<Note: Sendable>: Sendable {
    private var notes: BoundedStore<PolicyDomain, [Note]>
    private let limit: Int

    /// - Parameter domains: how many are remembered.
    /// - Parameter limit: notes of each domain.
    init(domains: Int, limit: Int) {
        notes = BoundedStore(capacity: domains, ranks: 1)
        self.limit = limit
    }

    mutating func add(_ note: Note, of domain: PolicyDomain) {
        let limit = limit
        let isKnown: Void? = notes.use(domain) { notes in
            if notes.count >= limit { notes.removeFirst() }
            notes.append(note)
        }
        if isKnown == nil { _ = notes.store([note], for: domain, rank: 0) }
    }

    /// Newest first.
    func last(of domain: PolicyDomain) -> [Note] { (notes.peek(domain) ?? []).reversed() }
}
