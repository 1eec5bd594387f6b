import MTASTS

/// Which of the domains in memory are wanted, in which order, and where the page begins.
package struct EntryQuery: Equatable, Sendable {
    package enum Order: String, CaseIterable, Sendable {
        /// As they lie in memory: each page costs only itself. What comes and goes meanwhile may be seen or not.
        case none
        case domain
        /// By the end of the policy's life; domains without a living policy last.
        case expiry
        /// By the last good fetch; domains without a policy last.
        case fetched
        /// By the last lookup.
        case asked
    }

    /// Only these; empty: all.
    package var states: Set<EntryState>
    /// Only those whose last TXT query or fetch failed.
    package var isFailing: Bool
    /// Only living policies whose life ends within this time.
    package var expiringWithin: Duration?
    /// Only domains that contain this, in any case; empty: all.
    package var text: String
    package var order: Order
    package var isDescending: Bool
    /// `EntryPage.next` of the page before; `nil`: from the beginning.
    package var after: EntryCursor?
    /// Entries on the page, 1…`maximumLimit`; anything else is cut to that.
    package var limit: Int

    package static let maximumLimit = 1_000

    package init(
        states: Set<EntryState> = [], isFailing: Bool = false, expiringWithin: Duration? = nil, text: String = "",
        order: Order = .domain, isDescending: Bool = false, after: EntryCursor? = nil, limit: Int = 100
    ) {
        self.states = states
        self.isFailing = isFailing
        self.expiringWithin = expiringWithin
        self.text = text
        self.order = order
        self.isDescending = isDescending
        self.after = after
        self.limit = limit
    }
}

/// Where a page ended: the last entry's place in the order that was asked for. It means nothing in another order.
package struct EntryCursor: Equatable, Sendable {
    /// What it is sorted by: milliseconds since 1970, a place in memory, or 0.
    let key: Int64
    let domain: String

    init(key: Int64, domain: String) {
        self.key = key
        self.domain = domain
    }

    /// What `description` said; `nil`: it is no cursor.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "_", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let key = Int64(parts[0]) else { return nil }
        guard parts[1].isEmpty || DomainName(parts[1]) != nil else { return nil }
        self.init(key: key, domain: String(parts[1]))
    }
}

extension EntryCursor: CustomStringConvertible {
    /// In characters that need no escaping in a URL.
    package var description: String { "\(key)_\(domain)" }
}

/// Some of the domains, in the order that was asked for.
package struct EntryPage: Equatable, Sendable {
    package let entries: [EntryReport]
    /// Where the next page begins; `nil`: this is the last one.
    package let next: EntryCursor?
}
