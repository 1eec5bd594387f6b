import DANE
import PolicyCaching
import PostfixConfig
import Testing

@testable import BridgeConfiguration
@testable import BridgeDaemon

/// Two services of master.cf get the same reply: it weakens neither, and delays mail for neither.
@Suite struct ServiceRepliesTests {
    private static let levels = [
        "", "none", "may", "dane", "dane-only", "encrypt", "verify", "secure", "fingerprint", "unknown",
    ]
    private static let coverages: [DANECoverage] = [
        .complete, .partial, .unknown([.complete, .partial, .notApplicable]), .notApplicable,
    ]

    private static func action(_ levels: [String], coverage: DANECoverage) -> Decision.Action {
        var configuration = Configuration()
        configuration.postfix.dane = .auto
        let services = levels.enumerated().map {
            DeliveryService(name: "s\($0.offset)", validatesDNS: true, securityLevel: SecurityLevel($0.element))
        }
        let postconf = PostconfResult(profile: PostfixProfile(release: PostfixRelease("3.7.11"), services: services))
        let postfix = DetectedPostfix(configuration, postconf: postconf)
        #expect(postfix.wantsDANE)
        let reason = coverage == .complete || coverage == .notApplicable ? nil : "no answer"
        return Decision(.noPolicy(.nameError), dane: .known(coverage, reason: reason), settings: postfix.decisions)
            .action
    }

    /// Whether a service at `level` may get this reply for a domain without a policy: nothing weaker than its level, and
    /// `dane-only` only if every host has usable TLSA records.
    private static func isRight(_ action: Decision.Action, for level: String, coverage: DANECoverage) -> Bool {
        switch action {
        case .notFound: true
        case .dane: ["", "none", "may", "dane"].contains(level) && coverage != .notApplicable
        case .daneOnly: coverage == .complete && !["fingerprint", "unknown"].contains(level)
        default: false
        }
    }

    @Test(arguments: levels, levels)
    func `STS-2-a: a reply to two services is right for both`(one: String, other: String) {
        for coverage in Self.coverages {
            let action = Self.action([one, other], coverage: coverage)
            #expect(action == Self.action([other, one], coverage: coverage))
            for level in [one, other] {
                #expect(Self.isRight(action, for: level, coverage: coverage), "\(action) to \(level), \(coverage)")
            }
        }
    }

    @Test(arguments: [["may", "encrypt"], ["encrypt", "dane-only"], ["dane", "secure"], ["secure"]])
    func `DANE-2.2-a with a strict service complete DANE is dane-only, and other coverage is not found`(
        levels: [String]
    ) {
        #expect(Self.action(levels, coverage: .complete) == .daneOnly)
        #expect(Self.action(levels, coverage: .partial) == .notFound)
    }

    @Test func `services at may and dane both get dane`() {
        #expect(Self.action(["may", "dane"], coverage: .complete) == .dane)
        #expect(Self.action(["may", "dane"], coverage: .partial) == .dane)
    }
}
