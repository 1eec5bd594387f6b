/// What DANE means for one MX host, judged on its own (RFC 7672 §2.2.1: the domain has no DANE policy as a whole).
package enum HostJudgement<Failure> {
    /// A secure TLSA RRset that can authenticate the host: no mail without that (RFC 7672 §2.2).
    case usable
    /// A secure TLSA RRset that cannot: TLS is demanded, authentication is not.
    case unusable
    /// DANE does not apply to the host: its address or its TLSA answer is insecure, or it has no TLSA records.
    case none
    /// The host has no address: nobody connects to it, so it says nothing about the others.
    case absent
    /// Could not find out: no mail through this host for now (RFC 7672 §2.1.2).
    case failed(Failure)
}

extension HostJudgement: Sendable where Failure: Sendable {}
extension HostJudgement: Equatable where Failure: Equatable {}

/// What is known of the way from the domain to its MX hosts.
package enum MXSecurity: Hashable, Sendable, CaseIterable {
    /// The hosts are the domain's own word: a secure answer, or no question because the administrator named the host.
    case secure
    /// Anybody could have named the hosts (RFC 7672 §2.2.1).
    case insecure
    /// The hosts are unknown.
    case failed
}
