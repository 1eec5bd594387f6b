import Discovery
import MTASTS
import PolicyCaching
import TextFormats

/// Values that many tests need, made without force unwrapping.
package func domain(_ text: String) throws -> PolicyDomain {
    guard let domain = PolicyDomain(text) else { throw InvalidSampleError(text: text) }
    return domain
}

package func recordID(_ text: String) throws -> RecordID {
    guard let id = RecordID(text) else { throw InvalidSampleError(text: text) }
    return id
}

package func address(_ text: String) throws -> IPAddress {
    guard let address = IPAddress(text) else { throw InvalidSampleError(text: text) }
    return address
}

package struct InvalidSampleError: Error {
    package let text: String

    package init(text: String) {
        self.text = text
    }
}

/// Something did not happen as the test needs it.
package struct UnexpectedError: Error {
    package let what: String

    package init(what: String) {
        self.what = what
    }
}

/// A policy file.
package func policyText(mode: String = "enforce", mx: [String] = ["mx.example.com"], maxAge: Int = 604_800) -> String {
    (["version: STSv1", "mode: \(mode)"] + mx.map { "mx: \($0)" } + ["max_age: \(maxAge)"]).joined(separator: "\n")
}

/// An override of the operator.
package func testOverride(
    _ kind: Override.Kind, of name: String, since: WallTime, until: WallTime? = nil,
    reason: String = "ticket 7", author: String = "root"
) throws -> Override {
    try Override(
        domain: try domain(name), kind: kind, reason: reason, author: author, since: since, until: until)
}

package func pattern(_ text: String) throws -> MXPattern {
    guard let pattern = MXPattern(text) else { throw InvalidSampleError(text: text) }
    return pattern
}

/// A policy as a store keeps it.
package func storedPolicy(
    _ name: String, text: String = policyText(), id: String = "1", at fetchedAt: WallTime,
    asked lastLookupAt: WallTime? = nil,
    life: Duration = .seconds(604_800), record: StoredPolicy.Record? = nil, failure: StoredPolicy.Failure? = nil
) throws -> StoredPolicy {
    StoredPolicy(
        domain: try domain(name), text: Array(text.utf8), id: try recordID(id), fetchedAt: fetchedAt,
        expiresAt: fetchedAt + life, lastLookupAt: lastLookupAt ?? fetchedAt, record: record, failure: failure)
}

/// A random number generator with the same numbers for the same seed: SplitMix64 (Steele, Lea, Flood 2014).
package struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    package init(_ seed: UInt64) {
        state = seed
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
