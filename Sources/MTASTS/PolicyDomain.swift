/// The domain whose policy is sought: the next-hop domain of a delivery (RFC 8461 §1.1, §3.4).
///
/// A name of at least two labels, not dotted digits, short enough that the names derived from it are legal.
package struct PolicyDomain: Hashable, Sendable {
    package let name: DomainName

    /// `nil` for a name that cannot publish a policy.
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

    /// Where the TXT record is (RFC 8461 §3.1). The underscore makes it a DNS name, not a host name.
    package var recordName: String { Self.recordPrefix + name.text }

    /// The policy host (RFC 8461 §3.3): the only name its certificate is compared with (RFC 9525 §6.1.1).
    package var policyHost: String { "mta-sts." + name.text }

    /// The one place where the policy may be (RFC 8461 §3.2).
    package var policyURL: String { "https://\(policyHost)/.well-known/mta-sts.txt" }

    private static let recordPrefix = "_mta-sts."
}

extension PolicyDomain: CustomStringConvertible {
    package var description: String { name.text }
}
