import DANE
import PolicyService
import PostfixSettings
import Testing

@testable import STSBridge

/// Two services of master.cf that get the same reply: it weakens neither, and holds mail for neither.
@Suite struct ServiceRepliesTests {
    private static let levels = [
        "", "none", "may", "dane", "dane-only", "encrypt", "verify", "secure", "fingerprint", "unknown",
    ]
    private static let coverages: [Coverage] = [
        .complete, .partial, .unknown([.complete, .partial, .notApplicable]), .notApplicable,
    ]

    private static func action(_ levels: [String], _ coverage: Coverage) -> Decision.Action {
        var configuration = Configuration()
        configuration.postfix.dane = .auto
        let services = levels.enumerated().map {
            DeliveryService(name: "s\($0.offset)", validatesDNS: true, securityLevel: SecurityLevel($0.element))
        }
        let answer = PostfixAnswer(local: LocalPostfix(release: PostfixRelease("3.7.11"), services: services))
        let postfix = PostfixAtHand(configuration, answer)
        #expect(postfix.wantsDANE)
        let reason = coverage == .complete || coverage == .notApplicable ? nil : "no answer"
        return Decision(.noPolicy(.nameError), dane: .known(coverage, reason: reason), settings: postfix.decisions)
            .action
    }

    /// What a service at `level` may be told of a domain without a policy: nothing less than its level, and `dane-only` only
    /// where every host has usable TLSA records.
    private static func isRight(_ action: Decision.Action, for level: String, _ coverage: Coverage) -> Bool {
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
            let action = Self.action([one, other], coverage)
            #expect(action == Self.action([other, one], coverage))
            for level in [one, other] {
                #expect(Self.isRight(action, for: level, coverage), "\(action) to \(level), \(coverage)")
            }
        }
    }

    @Test(arguments: [["may", "encrypt"], ["encrypt", "dane-only"], ["dane", "secure"], ["secure"]])
    func `DANE-2.2-a beside a strict service complete DANE is dane-only, and the rest is left to Postfix`(
        levels: [String]
    ) {
        #expect(Self.action(levels, .complete) == .daneOnly)
        #expect(Self.action(levels, .partial) == .notFound)
    }

    @Test func `services at may and dane both get dane`() {
        #expect(Self.action(["may", "dane"], .complete) == .dane)
        #expect(Self.action(["may", "dane"], .partial) == .dane)
    }
}
