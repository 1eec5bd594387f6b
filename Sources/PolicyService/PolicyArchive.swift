import MTASTS

/// The seam to what outlives the process: the policies we hold.
///
/// Twin: `MemoryArchive` of the tests. `NoArchive` keeps nothing. A policy is committed here before Postfix first hears of it.
/// Concurrency: any task; commits of one domain come one after another.
package protocol PolicyArchive: Sendable {
    /// Everything that was kept, in any order.
    func load() async throws(ArchiveFailure) -> [ArchivedPolicy]
    /// Returns when the change is durable.
    func commit(_ change: ArchiveChange) async throws(ArchiveFailure)
}

/// A policy as it is kept: what was published, not what we made of it; it is parsed again when it is loaded.
package struct ArchivedPolicy: Equatable, Sendable {
    package let domain: PolicyDomain
    package let text: [UInt8]
    package let id: RecordID
    package let fetchedAt: WallTime

    package init(domain: PolicyDomain, text: [UInt8], id: RecordID, fetchedAt: WallTime) {
        self.domain = domain
        self.text = text
        self.id = id
        self.fetchedAt = fetchedAt
    }
}

package enum ArchiveChange: Equatable, Sendable {
    case keep(ArchivedPolicy)
    case remove(PolicyDomain)
}

/// The archive does not work; mail goes on from memory.
package struct ArchiveFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// `cache.store: memory`: nothing outlives the process, so nothing is kept a second time.
package struct NoArchive: PolicyArchive {
    package init() {}

    package func load() -> [ArchivedPolicy] { [] }

    package func commit(_ change: ArchiveChange) {}
}
