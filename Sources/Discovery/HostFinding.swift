import DANE

/// What was found out about one MX host.
package struct HostFinding: Equatable, Sendable {
    /// As it stands in the MX record, lower-case.
    package let name: String
    /// Of the MX record; `nil` where none names the host.
    package let preference: UInt16?
    package let ground: Ground
    /// A signature was seen on the way: an address answer was secure, or the alias in front of an insecure one.
    package let isSigned: Bool

    package init(name: String, preference: UInt16?, ground: Ground, isSigned: Bool) {
        self.name = name
        self.preference = preference
        self.ground = ground
        self.isSigned = isSigned
    }

    /// Why the host is judged as it is. Each case has one judgement.
    package enum Ground: Equatable, Sendable {
        /// The base domain, the first candidate with a secure TLSA RRset (RFC 7672 §2.2.3), and what is in that.
        case secureTLSA(base: String, TLSARecordSet)
        /// An address is insecure, and no secure alias leads to it.
        case insecureAddress
        /// A secure address, and no secure TLSA record at any candidate.
        case noTLSA
        case noAddress
        /// The MX record does not name a host.
        case noHostName
        /// A question on the way failed.
        case lookupFailed(DNSFailure)
    }

    package var judgement: HostJudgement<DNSFailure> {
        switch ground {
        case .secureTLSA(_, let set): set.isUsable ? .usable : .unusable
        case .insecureAddress, .noTLSA: .none
        case .noAddress, .noHostName: .absent
        case .lookupFailed(let failure): .failed(failure)
        }
    }

    package var failure: DNSFailure? {
        guard case .lookupFailed(let failure) = ground else { return nil }
        return failure
    }
}

extension HostFinding.Ground: CustomStringConvertible {
    /// For people, with the section of the RFC that says so. ASCII: it is escaped as a whole where it is shown, for a
    /// stranger's name may be in it.
    package var description: String {
        switch self {
        case .secureTLSA(let base, let set) where set.isUsable:
            "\(set.usable) of \(set.total) secure TLSA records at \(base) usable (RFC 7672 section 2.2)"
        case .secureTLSA(let base, let set):
            "none of \(set.total) secure TLSA records at \(base) usable: TLS without authentication (RFC 7672 section 2.2)"
        case .insecureAddress: "the address is not signed: TLSA is not asked for (RFC 7672 section 2.2.2)"
        case .noTLSA: "no secure TLSA record (RFC 7672 section 2.2.3)"
        case .noAddress: "no address: nobody connects to it (RFC 7672 section 2.2.2)"
        case .noHostName: "no host name: nobody connects to it, and DANE does not apply (RFC 7672 section 2.2)"
        case .lookupFailed(let failure): "\(failure): no mail through this host for now (RFC 7672 section 2.1.2)"
        }
    }
}
