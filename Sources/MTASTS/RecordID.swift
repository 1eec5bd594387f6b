/// The `id` of an MTA-STS record: which instance of a policy the domain has in force (RFC 8461 §3.1).
///
/// Grammar: 1…32 ASCII letters and digits. Equality, octet for octet, is the only relation: ids have no order and no
/// date in them, however they look.
package struct RecordID: Hashable, Sendable {
    package let text: String

    /// The longest id in octets (RFC 8461 §3.1, `sts-id`).
    package static let maximumLength = 32

    /// `nil` when `octets` are no id: none, more than 32, or anything but ASCII letters and digits.
    package init?(_ octets: some Collection<UInt8>) {
        guard !octets.isEmpty, octets.count <= Self.maximumLength, octets.allSatisfy(\.isAlphanumeric) else {
            return nil
        }
        text = String(decoding: octets, as: UTF8.self)
    }

    package init?(_ text: some StringProtocol) {
        self.init(Array(text.utf8))
    }
}

extension RecordID: CustomStringConvertible {
    package var description: String { text }
}
