import Discovery
import MTASTS

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
