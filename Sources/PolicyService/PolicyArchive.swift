import Discovery
import MTASTS

/// The seam to what outlives the process: the policies we hold, and what the operator has ordered.
///
/// Real: SQLiteArchive. Twin: `MemoryArchive` of the tests. `NoArchive` keeps nothing.
/// Concurrency: any task. The service commits one group of changes after another, and reads at any time.
/// Fails by: `ArchiveFailure`; mail then goes on from memory, and `open` is tried again and again.
package protocol PolicyArchive: Sendable {
    /// Whether memory is all there is: nothing is ever found here that the ledger does not know.
    var keepsNothing: Bool { get }

    /// Another process writes it still, and we are to follow: it can be read, and `open` says `.later`.
    var isAnothersYet: Bool { get }

    /// Makes ready for the rest: at the start, and again after every failure.
    func open() async throws(ArchiveFailure) -> ArchiveOpening

    /// Hands over everything that is kept, some hundred rows at a time, in any order. Works also where the archive can be
    /// read and not written.
    func load(_ take: @escaping @Sendable ([ArchivedRow]) -> Void) async throws(ArchiveFailure)

    /// What is kept of one domain; `nil`: nothing is.
    func row(of domain: PolicyDomain) async throws(ArchiveFailure) -> ArchivedRow?

    /// Everything the operator has ordered, in any order. Little: it is read before the first lookup is answered.
    func orders() async throws(ArchiveFailure) -> [ArchivedOrder]

    /// Makes the changes, in their order, all or none. When it returns they outlive the process. With no changes it only
    /// tells whether the archive is still there.
    func commit(_ changes: [ArchiveChange]) async throws(ArchiveFailure)

    /// Deletes policies whose life is over, a `grace` after the first `purge` that saw them so: a clock that jumped ahead
    /// and came back in between loses nothing.
    ///
    /// - Returns: those whose life is over and whose end the log does not have (`isEndLogged`), at most
    ///   `maximumExpired`; the rest comes with the next calls.
    func purge(at now: WallTime, grace: Duration) async throws(ArchiveFailure) -> [ArchivedPolicy]

    /// Nothing is asked of it any more.
    func close() async
}

/// How an archive was opened.
package enum ArchiveOpening: Equatable, Sendable {
    /// It is what it was before: what was committed is still there.
    case unchanged
    /// For the first time, or it was removed or replaced behind our back: what is in it is to be loaded, and what is not
    /// in it has to be committed again.
    case anew
    /// Not yet: another process writes it, which we are to follow. Nothing is wrong; to be asked again soon.
    case later(ArchiveFailure)
}

extension PolicyArchive {
    package var isAnothersYet: Bool { false }

    /// Policies that one `purge` returns: they are in memory at once.
    package static var maximumExpired: Int { 1_000 }
}

/// A row as it was found.
package enum ArchivedRow: Equatable, Sendable {
    case policy(ArchivedPolicy)
    /// One that is no policy of ours: a domain that is none, an id that is none … `domain` as it stands there, not trusted.
    case unreadable(domain: String, reason: String)
}

/// A policy as it is kept: what was published, not what we made of it; it is parsed again when it is loaded.
package struct ArchivedPolicy: Equatable, Sendable {
    /// What DNS last published.
    package struct Record: Equatable, Sendable {
        package let id: RecordID
        package let at: WallTime
        /// How long it counts as fresh.
        package let lifetime: Duration

        package init(id: RecordID, at: WallTime, lifetime: Duration) {
            self.id = id
            self.at = at
            self.lifetime = lifetime
        }
    }

    /// The last fetch, if it failed.
    package struct Failure: Equatable, Sendable {
        package let id: RecordID
        package let at: WallTime
        /// Failed fetches since the last good one, at least 1.
        package let count: Int
        package let category: PolicyFailure.Category
        /// In words.
        package let reason: String

        package init(id: RecordID, at: WallTime, count: Int, category: PolicyFailure.Category, reason: String) {
            self.id = id
            self.at = at
            self.count = count
            self.category = category
            self.reason = reason
        }
    }

    package let domain: PolicyDomain
    /// The octets as published.
    package let text: [UInt8]
    package let id: RecordID
    /// Never changed by what the clock does later.
    package let fetchedAt: WallTime
    /// The end of its life, for `purge`; whether it applies is worked out from the text.
    package let expiresAt: WallTime
    /// When Postfix last asked for it, to the day.
    package let askedAt: WallTime
    package let record: Record?
    package let failure: Failure?
    /// When the clock was first seen behind `fetchedAt`, by that clock; `nil`: it was not.
    package let clockBehindSince: WallTime?
    /// The time of an earlier fetch, if it lay in the future at the last one; `nil`: it did not.
    package let previousFetchedAt: WallTime?
    /// The log has the end of its life.
    package let isEndLogged: Bool

    package init(
        domain: PolicyDomain, text: [UInt8], id: RecordID, fetchedAt: WallTime, expiresAt: WallTime, askedAt: WallTime,
        record: Record? = nil, failure: Failure? = nil, clockBehindSince: WallTime? = nil,
        previousFetchedAt: WallTime? = nil, isEndLogged: Bool = false
    ) {
        self.domain = domain
        self.text = text
        self.id = id
        self.fetchedAt = fetchedAt
        self.expiresAt = expiresAt
        self.askedAt = askedAt
        self.record = record
        self.failure = failure
        self.clockBehindSince = clockBehindSince
        self.previousFetchedAt = previousFetchedAt
        self.isEndLogged = isEndLogged
    }

    /// The latest of its fetches that `now` has passed; `fetchedAt` if `now` has passed none.
    package func lastFetch(asOf now: WallTime) -> WallTime {
        guard let previousFetchedAt, previousFetchedAt <= now else { return fetchedAt }
        return max(fetchedAt, previousFetchedAt)
    }

    /// The latest time at which it can have been fetched: `lastFetch`, or if that lies in the future, when the clock was
    /// seen behind it. A clock that was ahead at the fetch so makes a policy no newer than it is.
    package func latestPossibleFetch(asOf now: WallTime) -> WallTime {
        let last = lastFetch(asOf: now)
        return last > now ? min(clockBehindSince ?? now, now) : last
    }
}

/// An order as it was found.
package enum ArchivedOrder: Equatable, Sendable {
    case override(DomainOverride)
    case observe(ObserveOrder)
    /// One that is no order of ours. `subject`: the domain as it stands there, not trusted; or what else it is about.
    case unreadable(subject: String, reason: String)
}

package enum ArchiveChange: Equatable, Sendable {
    /// A policy.
    case keep(ArchivedPolicy)
    case remove(PolicyDomain)
    /// The log has the end of the policy that was fetched then. It does not touch one that was fetched at another time.
    case noteEnd(PolicyDomain, fetchedAt: WallTime)
    /// The operator's order for a domain, in place of an earlier one.
    case order(DomainOverride)
    /// The domain's order is no more.
    case lift(PolicyDomain)
    case observe(ObserveOrder)

    /// What it is about: of several changes of one subject the last one counts.
    package enum Subject: Hashable, Sendable {
        case policy(PolicyDomain)
        case policyEnd(PolicyDomain)
        case override(PolicyDomain)
        case observe
    }

    package var subject: Subject {
        switch self {
        case .keep(let policy): .policy(policy.domain)
        case .remove(let domain): .policy(domain)
        case .noteEnd(let domain, _): .policyEnd(domain)
        case .order(let override): .override(override.domain)
        case .lift(let domain): .override(domain)
        case .observe: .observe
        }
    }
}

/// The archive does not work: what, why and what to do, in one line.
package struct ArchiveFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// `cache.store: memory`: nothing outlives the process, so nothing is kept a second time.
package struct NoArchive: PolicyArchive {
    package init() {}

    package var keepsNothing: Bool { true }
    package func open() -> ArchiveOpening { .unchanged }
    package func load(_ take: @escaping @Sendable ([ArchivedRow]) -> Void) {}
    package func row(of domain: PolicyDomain) -> ArchivedRow? { nil }
    package func orders() -> [ArchivedOrder] { [] }
    package func commit(_ changes: [ArchiveChange]) {}
    package func purge(at now: WallTime, grace: Duration) -> [ArchivedPolicy] { [] }
    package func close() {}
}
