import TextFormats

/// The `id` of an MTA-STS record, which identifies the current instance of a policy (RFC 8461 §3.1).
///
/// An id has 1…32 ASCII letters and digits. Compare ids for equality only. They have no order, even if they look like dates.
package struct RecordID: Hashable, Sendable {
    package let text: String

    /// The longest id in octets (RFC 8461 §3.1, `sts-id`).
    package static let maximumLength = 32

    /// Returns `nil` unless `octets` are 1…32 ASCII letters and digits.
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
