import Discovery
import MTASTS

/// The names that are asked for, to see what DNS and HTTPS do.
package struct ProbeNames: Sendable {
    /// One with a policy.
    package var domain: PolicyDomain
    /// A name below a signed zone, one whose signatures are wrong, one without any.
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

/// A part of the bridge that could not be set up, in words.
package struct Unavailable: Error, Equatable, Sendable {
    package let reason: String

    package init(_ reason: String) {
        self.reason = reason
    }
}

/// What resolv.conf(5) at some place says.
package enum NameServerList: Equatable, Sendable {
    case servers([NameServerAddress])
    case missing
    /// In words.
    case unreadable(String)

    /// The servers that the bridge asks: 127.0.0.1 where the file is missing (resolver(3)).
    package var asked: Result<[NameServerAddress], Unavailable> {
        switch self {
        case .servers(let servers): .success(servers)
        case .missing: .success([NameServerAddress(host: "127.0.0.1")])
        case .unreadable(let reason): .failure(Unavailable(reason))
        }
    }
}

/// One DNS server, asked by both transports.
package struct NameServerFacts: Equatable, Sendable {
    package let server: NameServerAddress
    package let overUDP: NameServerProbe.Outcome
    package let overTCP: NameServerProbe.Outcome

    package init(server: NameServerAddress, overUDP: NameServerProbe.Outcome, overTCP: NameServerProbe.Outcome) {
        self.server = server
        self.overUDP = overUDP
        self.overTCP = overTCP
    }
}

package typealias ValidatedFinding = Result<ValidatedAnswer, DNSFailure>

/// The root and the three names, as the bridge's own validation judges them.
package struct DNSSECFacts: Equatable, Sendable {
    /// `. NS`: nothing validates without it, so it tells one zone's failure from stripped signatures.
    package let root: ValidatedFinding
    package let signed: ValidatedFinding
    package let bogus: ValidatedFinding
    package let unsigned: ValidatedFinding

    package init(root: ValidatedFinding, signed: ValidatedFinding, bogus: ValidatedFinding, unsigned: ValidatedFinding)
    {
        self.root = root
        self.signed = signed
        self.bogus = bogus
        self.unsigned = unsigned
    }

    /// The root's or the signed name's signatures hold.
    package var isValid: Bool {
        [root, signed].contains { finding in
            if case .success(let answer) = finding { answer.isSecure } else { false }
        }
    }
}

/// What Postfix's own resolver asks.
package struct PostfixResolverFacts: Equatable, Sendable {
    /// /etc/resolv.conf
    package let system: NameServerList
    /// The copy in the chroot; `nil`: no smtp(8) runs in one.
    package let jail: NameServerList?
    /// Of those of both lists that were asked for the signed name.
    package let signed: [NameServerAddress: NameServerProbe.Outcome]

    package init(
        system: NameServerList, jail: NameServerList?, signed: [NameServerAddress: NameServerProbe.Outcome] = [:]
    ) {
        self.system = system
        self.jail = jail
        self.signed = signed
    }
}
