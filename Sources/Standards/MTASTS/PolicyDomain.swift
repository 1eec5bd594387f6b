/// The next-hop domain of a delivery, whose policy applies (RFC 8461 §1.1, §3.4).
///
/// It has at least two labels, is not dotted digits, and is short enough that the names derived from it are legal.
package struct PolicyDomain: Hashable, Sendable {
    package let name: DomainName

    /// Returns `nil` if the name cannot publish a policy.
    package init?(_ name: DomainName) {
        guard !name.isSingleLabel, !name.endsInDigits,
            Self.recordPrefix.utf8.count + name.text.utf8.count <= DomainName.maximumLength
        else { return nil }
        self.name = name
    }

    package init?(_ text: some StringProtocol) {
        guard let name = DomainName(text) else { return nil }
        self.init(name)
    }

    /// The name of the TXT record (RFC 8461 §3.1). The underscore makes it a DNS name, not a host name.
    package var recordName: String { Self.recordPrefix + name.text }

    /// The policy host (RFC 8461 §3.3). Its certificate must match this name (RFC 9525 §6.1.1).
    package var policyHost: String { "mta-sts." + name.text }

    /// The only URL of the policy (RFC 8461 §3.2).
    package var policyURL: String { "https://\(policyHost)/.well-known/mta-sts.txt" }

    private static let recordPrefix = "_mta-sts."
}

extension PolicyDomain: CustomStringConvertible {
    package var description: String { name.text }
}
