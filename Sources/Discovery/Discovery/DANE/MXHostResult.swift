import DANE

/// The result of the queries for one MX host.
package struct MXHostResult: Equatable, Sendable {
    /// The name in the MX record, in lower case.
    package let name: String
    /// The preference in the MX record; `nil` without an MX record.
    package let preference: UInt16?
    package let reason: Reason
    /// Whether an address answer was secure, or the alias before an insecure address.
    package let isSigned: Bool

    package init(name: String, preference: UInt16?, reason: Reason, isSigned: Bool) {
        self.name = name
        self.preference = preference
        self.reason = reason
        self.isSigned = isSigned
    }

    /// The reason for the status. Each case has one status.
    package enum Reason: Equatable, Sendable {
        /// The TLSA base domain (RFC 7672 §2.2.3) and its records.
        case secureTLSA(base: String, TLSARecordSet)
        /// An address is insecure, and the name is not a secure alias.
        case insecureAddress
        /// The address is secure, and no candidate base domain has a secure TLSA record.
        case noTLSA
        case noAddress
        /// The MX record does not name a host.
        case noHostName
        /// A query failed.
        case lookupFailed(DNSError)
    }

    package var status: MXHostStatus<DNSError> {
        switch reason {
        case .secureTLSA(_, let set): set.isUsable ? .usable : .unusable
        case .insecureAddress, .noTLSA: .none
        case .noAddress, .noHostName: .absent
        case .lookupFailed(let failure): .failed(failure)
        }
    }

    package var failure: DNSError? {
        guard case .lookupFailed(let failure) = reason else { return nil }
        return failure
    }
}

extension MXHostResult.Reason: CustomStringConvertible {
    /// For people, with the section of the RFC. It is ASCII, and may contain untrusted names: escape before output.
    package var description: String {
        switch self {
        case .secureTLSA(let base, let set) where set.isUsable:
            "\(set.usable) of \(set.total) secure TLSA records at \(base) usable (RFC 7672 section 2.2)"
        case .secureTLSA(let base, let set):
            "none of \(set.total) secure TLSA records at \(base) usable: TLS without authentication (RFC 7672 section 2.2)"
        case .insecureAddress: "the address is not signed, so TLSA is not queried (RFC 7672 section 2.2.2)"
        case .noTLSA: "no secure TLSA record (RFC 7672 section 2.2.3)"
        case .noAddress: "no address, so DANE does not apply (RFC 7672 section 2.2.2)"
        case .noHostName: "not a host name, so DANE does not apply (RFC 7672 section 2.2)"
        case .lookupFailed(let failure): "\(failure): no mail through this host for now (RFC 7672 section 2.1.2)"
        }
    }
}
