import MTASTS
import PolicyCaching

/// All domains in memory that match a query, in parts.
///
/// It reads a part when the reader asks for it, so a slow reader costs nothing. A sorted list is selected in portions of many
/// parts, because each portion visits every domain: a million domains take 20 visits. Entries that are added, removed or
/// changed meanwhile may be included or not.
/// Limits: memory for the names of one portion, a few megabytes.
package struct EntryListing: AsyncSequence, Sendable {
    let policies: PolicyService
    let query: EntryQuery
    /// The number of domains that are selected at once if the list is sorted.
    private let portion: Int

    /// The number of entries of one part: about 100 KB as JSON, and about 100 microseconds under the mutex.
    package static let partSize = 500

    init(policies: PolicyService, query: EntryQuery, portion: Int = 50_000) {
        self.policies = policies
        self.query = query
        self.portion = portion
    }

    package struct AsyncIterator: AsyncIteratorProtocol {
        private let policies: PolicyService
        private var query: EntryQuery
        private let portion: Int
        private var chosen: ArraySlice<PolicyDomain> = []
        private var isLastPortion = false

        fileprivate init(_ listing: EntryListing) {
            policies = listing.policies
            query = listing.query
            portion = listing.portion
        }

        package mutating func next() async -> [EntryReport]? {
            while true {
                if chosen.isEmpty {
                    guard !isLastPortion else { return nil }
                    await choose()
                }
                let part = policies.reports(of: chosen.prefix(EntryListing.partSize))
                chosen = chosen.dropFirst(EntryListing.partSize)
                if !part.isEmpty { return part }
            }
        }

        private mutating func choose() async {
            // In the order of memory, a page visits only its own domains.
            let limit = query.order == .none ? EntryListing.partSize : portion
            let (domains, next) = await policies.domains(query, limit: limit)
            chosen = domains[...]
            query.after = next
            isLastPortion = next == nil
        }
    }

    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}
