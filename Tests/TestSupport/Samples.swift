import Discovery
import MTASTS
import PolicyService

/// Values that many tests need, made without force unwrapping.
package func domain(_ text: String) throws -> PolicyDomain {
    guard let domain = PolicyDomain(text) else { throw NotASample(text: text) }
    return domain
}

package func recordID(_ text: String) throws -> RecordID {
    guard let id = RecordID(text) else { throw NotASample(text: text) }
    return id
}

package func address(_ text: String) throws -> IPAddress {
    guard let address = IPAddress(text) else { throw NotASample(text: text) }
    return address
}

package struct NotASample: Error {
    package let text: String

    package init(text: String) {
        self.text = text
    }
}

/// A policy file.
package func policyText(mode: String = "enforce", mx: [String] = ["mx.example.com"], maxAge: Int = 604_800) -> String {
    (["version: STSv1", "mode: \(mode)"] + mx.map { "mx: \($0)" } + ["max_age: \(maxAge)"]).joined(separator: "\n")
}

/// An order of the operator.
package func order(
    _ kind: DomainOverride.Kind, _ name: String, since: WallTime, until: WallTime? = nil,
    reason: String = "ticket 7", author: String = "root"
) throws -> DomainOverride {
    try DomainOverride(
        domain: try domain(name), kind: kind, reason: reason, author: author, since: since, until: until)
}

package func pattern(_ text: String) throws -> MXPattern {
    guard let pattern = MXPattern(text) else { throw NotASample(text: text) }
    return pattern
}

/// A policy as an archive keeps it.
package func archived(
    _ name: String, text: String = policyText(), id: String = "1", at fetchedAt: WallTime,
    asked askedAt: WallTime? = nil,
    life: Duration = .seconds(604_800), record: ArchivedPolicy.Record? = nil, failure: ArchivedPolicy.Failure? = nil
) throws -> ArchivedPolicy {
    ArchivedPolicy(
        domain: try domain(name), text: Array(text.utf8), id: try recordID(id), fetchedAt: fetchedAt,
        expiresAt: fetchedAt + life, askedAt: askedAt ?? fetchedAt, record: record, failure: failure)
}
