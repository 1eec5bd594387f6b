import MTASTS

/// Selects domains in memory: a filter, an order, and the beginning of the page.
package struct EntryQuery: Equatable, Sendable {
    package enum Order: String, CaseIterable, Sendable {
        /// In the order of memory. A page then costs only its own length. Domains that change meanwhile may be missing.
        case none
        case domain
        /// By the policy's expiry; domains without a policy that applies are last.
        case expiry
        /// By the last successful fetch; domains without a policy are last.
        case fetched
        /// By the last lookup.
        case asked
    }

    /// Only domains in these states; empty: all.
    package var states: Set<EntryState>
    /// Only domains whose last TXT query or fetch failed.
    package var isFailing: Bool
    /// Only policies that apply and expire within this time.
    package var expiringWithin: Duration?
    /// Only domains that contain this text, ignoring case; empty: all.
    package var text: String
    package var order: Order
    package var isDescending: Bool
    /// `EntryPage.next` of the previous page; `nil`: from the beginning.
    package var after: EntryCursor?
    /// Entries on the page. Values outside 1…`maximumLimit` are clamped.
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

/// The position of a page's last entry in the order of its query. It has no meaning in another order.
package struct EntryCursor: Equatable, Sendable {
    /// The sort key: milliseconds since 1970, a slot in memory, or 0.
    let key: Int64
    let domain: String

    init(key: Int64, domain: String) {
        self.key = key
        self.domain = domain
    }

    /// Parses `description`; `nil`: the text is not a cursor.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "_", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let key = Int64(parts[0]) else { return nil }
        guard parts[1].isEmpty || DomainName(parts[1]) != nil else { return nil }
        self.init(key: key, domain: String(parts[1]))
    }
}

extension EntryCursor: CustomStringConvertible {
    /// The text needs no escaping in a URL.
    package var description: String { "\(key)_\(domain)" }
}

/// A page of domains, in the order of the query.
package struct EntryPage: Equatable, Sendable {
    package let entries: [EntryReport]
    /// The beginning of the next page; `nil`: this is the last page.
    package let next: EntryCursor?

    package init(entries: [EntryReport], next: EntryCursor?) {
        self.entries = entries
        self.next = next
    }
}
