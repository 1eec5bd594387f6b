import Discovery
import MTASTS
import TextFormats

extension CacheEntry {
    /// The last fetch, if its policy host failed, and the last failed fetches for other ids. A class, because most entries
    /// have none.
    final class FailedFetch: Sendable {
        /// The last failed fetch for one id.
        struct Attempt: Sendable {
            let id: RecordID
            let failure: PolicyFetchError
            let at: WallTime
        }

        let last: Attempt
        let category: PolicyFetchError.Category
        /// Failed fetches since the last successful one, including this one.
        let count: Int
        /// The last failed fetches for other ids since the last successful fetch, newest first. Name servers that are out of
        /// step publish several ids in turn; each id has its own pause (RFC 8461 §3.3).
        let others: [Attempt]

        var id: RecordID { last.id }
        var failure: PolicyFetchError { last.failure }
        var at: WallTime { last.at }

        /// Ids whose failures are cached: more than a domain's name servers publish at once.
        private static let maximumIDs = 4

        /// - Parameter previous: the failed fetch before this one, if no successful one came between.
        init(
            id: RecordID, failure: PolicyFetchError, category: PolicyFetchError.Category, at: WallTime, count: Int,
            after previous: FailedFetch? = nil
        ) {
            last = Attempt(id: id, failure: failure, at: at)
            self.category = category
            self.count = count
            let before = previous.map { [$0.last] + $0.others } ?? []
            others = Array(before.filter { $0.id != id }.prefix(Self.maximumIDs - 1))
        }

        /// The last failed fetch for an id.
        func attempt(for id: RecordID) -> Attempt? {
            last.id == id ? last : others.first { $0.id == id }
        }
    }

    /// A fetch that failed because of this host. A class, because most entries have none.
    final class LocalFetchError: Sendable {
        let id: RecordID
        let failure: PolicyFetchError
        let at: WallTime

        init(id: RecordID, failure: PolicyFetchError, at: WallTime) {
            self.id = id
            self.failure = failure
            self.at = at
        }
    }
}
