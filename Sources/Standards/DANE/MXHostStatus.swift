/// How DANE applies to one MX host. Each host has its own status; a domain has none (RFC 7672 §2.2.1).
package enum MXHostStatus<Failure> {
    /// A secure TLSA RRset can authenticate the host. Mail requires the authentication (RFC 7672 §2.2).
    case usable
    /// A secure TLSA RRset has no usable record. Mail requires TLS, but no authentication.
    case unusable
    /// DANE does not apply: the address or the TLSA answer is insecure, or there are no TLSA records.
    case none
    /// The host has no address. No mail server connects to it, so it has no effect.
    case absent
    /// The lookup failed: no mail through this host for now (RFC 7672 §2.1.2).
    case failed(Failure)
}

extension MXHostStatus: Sendable where Failure: Sendable {}
extension MXHostStatus: Equatable where Failure: Equatable {}

/// The security of the names of the MX hosts.
package enum MXSecurity: Hashable, Sendable, CaseIterable {
    /// The answer is secure, or there was no query because the administrator named the host.
    case secure
    /// An attacker may have forged the names (RFC 7672 §2.2.1).
    case insecure
    /// The hosts are unknown.
    case failed
}
