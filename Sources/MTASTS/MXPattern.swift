/// One `mx` of a policy: which MX hosts it allows (RFC 8461 §3.2, §4.1).
///
/// Grammar: `["*."] Domain`. A single label and dotted digits (`192.0.2.1`) are grammatical and kept, though no MX
/// host has such a name in practice; the writer of the reply leaves them out (STS-3.2-s).
package enum MXPattern: Hashable, Sendable {
    /// This host.
    case exact(DomainName)
    /// `*.NAME`: any host exactly one label below NAME.
    case anyLabel(of: DomainName)

    /// `nil` when `octets` are no pattern: a lone or partial wildcard, a final dot, a port, a U-label, …
    package init?(_ octets: some Collection<UInt8>) {
        if octets.starts(with: "*.") {
            guard let name = DomainName(octets.dropFirst(2)) else { return nil }
            self = .anyLabel(of: name)
        } else {
            guard let name = DomainName(octets) else { return nil }
            self = .exact(name)
        }
    }

    package init?(_ text: some StringProtocol) {
        self.init(Array(text.utf8))
    }

    /// The name without the wildcard.
    package var name: DomainName {
        switch self {
        case .exact(let name), .anyLabel(of: let name): name
        }
    }

    /// Whether an MX host can have such a name. A single label and a name whose last label is all digits satisfy the
    /// grammar, but to a mail server they mean something else: a keyword, or an address (STS-3.2-s, pitfall 51).
    package var canNameHost: Bool {
        switch self {
        case .exact(let name): !name.isSingleLabel && !name.endsInDigits
        // The wildcard stands for a label, so one more is enough.
        case .anyLabel(of: let parent): !parent.endsInDigits
        }
    }

    /// Whether the pattern allows `host`, the name as it stands in the MX record (§4.1). Case is gone from both by
    /// now; the wildcard is one complete left-most label, never none, never two (RFC 6125 §6.4.3).
    package func matches(_ host: DomainName) -> Bool {
        switch self {
        case .exact(let name):
            return host == name
        case .anyLabel(of: let parent):
            guard let dot = host.text.firstIndex(of: ".") else { return false }
            return host.text[dot...].dropFirst() == parent.text
        }
    }
}

extension MXPattern: CustomStringConvertible {
    package var description: String {
        switch self {
        case .exact(let name): name.text
        case .anyLabel(of: let parent): "*." + parent.text
        }
    }
}
