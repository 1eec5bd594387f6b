import MTASTS

/// All the domains in memory that a query wants, in parts.
///
/// A part is looked for when it is asked for, so who reads slowly costs nothing. What is sorted is chosen in portions of
/// many parts, for each portion costs a look at every domain: 20 looks at a million of them. Of a portion it holds the
/// names, some megabytes while it is chosen.
/// What comes, goes or changes meanwhile may be seen or not.
package struct EntryListing: AsyncSequence, Sendable {
    let policies: PolicyService
    let query: EntryQuery
    /// Domains that are chosen at once where they are sorted.
    private let portion: Int

    /// Entries of one part: some 100 KB as JSON, and some 100 microseconds under the mutex.
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
            // As they lie in memory each page costs only itself.
            let limit = query.order == .none ? EntryListing.partSize : portion
            let (domains, next) = await policies.domains(query, limit: limit)
            chosen = domains[...]
            query.after = next
            isLastPortion = next == nil
        }
    }

    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}
