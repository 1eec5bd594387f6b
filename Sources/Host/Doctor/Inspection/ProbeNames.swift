import Discovery
import MTASTS

/// The names that the probes of DNS and HTTPS look up.
package struct ProbeNames: Sendable {
    /// A domain with a policy.
    package var domain: PolicyDomain
    /// A name in a signed zone, one with wrong signatures, and one without signatures.
    package var signed: DNSQuestion
    package var bogus: DNSQuestion
    package var unsigned: DNSQuestion

    package init(domain: PolicyDomain, signed: DNSQuestion, bogus: DNSQuestion, unsigned: DNSQuestion) {
        self.domain = domain
        self.signed = signed
        self.bogus = bogus
        self.unsigned = unsigned
    }
}

/// A part of the bridge could not be created. The text is the reason.
package struct UnavailableError: Error, Equatable, Sendable {
    package let reason: String

    package init(_ reason: String) {
        self.reason = reason
    }
}

/// The servers of a resolv.conf(5).
package enum NameServerList: Equatable, Sendable {
    case servers([NameServerAddress])
    case missing
    /// The text is the reason.
    case unreadable(String)

    /// The servers in use: 127.0.0.1 if the file is missing (resolver(3)).
    package var inUse: Result<[NameServerAddress], UnavailableError> {
        switch self {
        case .servers(let servers): .success(servers)
        case .missing: .success([NameServerAddress(host: "127.0.0.1")])
        case .unreadable(let reason): .failure(UnavailableError(reason))
        }
    }
}

/// The probes of one DNS server over both transports.
package struct NameServerResult: Equatable, Sendable {
    package let server: NameServerAddress
    package let overUDP: NameServerProbe.Outcome
    package let overTCP: NameServerProbe.Outcome

    package init(server: NameServerAddress, overUDP: NameServerProbe.Outcome, overTCP: NameServerProbe.Outcome) {
        self.server = server
        self.overUDP = overUDP
        self.overTCP = overTCP
    }
}

package typealias ValidatedResult = Result<ValidatedAnswer, DNSError>

/// The bridge's own validation of the root and the three names.
package struct DNSSECResults: Equatable, Sendable {
    /// `. NS`: all validation needs it, so it distinguishes one zone's failure from stripped signatures.
    package let root: ValidatedResult
    package let signed: ValidatedResult
    package let bogus: ValidatedResult
    package let unsigned: ValidatedResult

    package init(root: ValidatedResult, signed: ValidatedResult, bogus: ValidatedResult, unsigned: ValidatedResult) {
        self.root = root
        self.signed = signed
        self.bogus = bogus
        self.unsigned = unsigned
    }

    /// Whether the signatures of the root or of the signed name are valid.
    package var isValid: Bool {
        [root, signed].contains { result in
            if case .success(let answer) = result { answer.isSecure } else { false }
        }
    }
}

/// The DNS servers of Postfix's own resolver.
package struct PostfixResolver: Equatable, Sendable {
    /// /etc/resolv.conf
    package let system: NameServerList
    /// The copy in the chroot; `nil`: no smtp(8) runs in one.
    package let chroot: NameServerList?
    /// The outcomes for the signed name, by server.
    package let signed: [NameServerAddress: NameServerProbe.Outcome]

    package init(
        system: NameServerList, chroot: NameServerList?, signed: [NameServerAddress: NameServerProbe.Outcome] = [:]
    ) {
        self.system = system
        self.chroot = chroot
        self.signed = signed
    }
}
