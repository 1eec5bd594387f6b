import Discovery
import MTASTS

/// The last lookups of each domain, for `explain`.
///
/// Every lookup is added, so that costs one hash and no search: the hash of a domain chooses a row, and a row has space for a
/// few domains. The domain of the row with the oldest last lookup is evicted first, so one busy domain does not evict others.
/// Limits: 512 rows of 4 domains with 4 lookups each, about 1 MiB.
package struct RecentLookups: Sendable {
    private struct DomainLookups: Sendable {
        let domain: PolicyDomain
        var lookups: [RecentLookup]
    }

    private static let rowCount = 512
    private static let domainsPerRow = 4
    private static let lookupsPerDomain = 4

    /// In each row the domain with the latest lookup comes last.
    private var rows: [[DomainLookups]] = []

    package init() {}

    package mutating func add(_ lookup: RecentLookup) {
        if rows.isEmpty { rows = Array(repeating: [], count: Self.rowCount) }
        let domain = lookup.destination.domain
        Self.add(lookup, of: domain, to: &rows[Self.row(of: domain)])
    }

    private static func add(_ lookup: RecentLookup, of domain: PolicyDomain, to row: inout [DomainLookups]) {
        guard let index = row.lastIndex(where: { $0.domain == domain }) else {
            if row.count >= domainsPerRow { row.removeFirst() }
            return row.append(DomainLookups(domain: domain, lookups: [lookup]))
        }
        if row[index].lookups.count >= lookupsPerDomain { row[index].lookups.removeFirst() }
        row[index].lookups.append(lookup)
        if index != row.count - 1 { row.append(row.remove(at: index)) }
    }

    /// Newest first.
    package func last(of domain: PolicyDomain) -> [RecentLookup] {
        guard !rows.isEmpty else { return [] }
        return (rows[Self.row(of: domain)].first { $0.domain == domain }?.lookups ?? []).reversed()
    }

    private static func row(of domain: PolicyDomain) -> Int { domain.hashValue & (rowCount - 1) }
}
