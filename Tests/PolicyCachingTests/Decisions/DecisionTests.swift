import DANE
import Discovery
import MTASTS
import PolicyCaching
import Testing
import TestSupport
import TextFormats

/// The decision table, every combination of override × DANE × policy × mode × setting (RFC 8461 §2 and §5, RFC 7672 §2.2).
@Suite struct DecisionTests {
    typealias Action = Decision.Action
    typealias Rule = Decision.Rule

    /// What is known of the policy.
    enum Policy: CaseIterable {
        case enforce, testing, none, noPolicy, unknown
    }

    private let reason = "_25._tcp.mx1.example.com TLSA: SERVFAIL (servers 192.0.2.53)"
    private let unknownReason = UnknownReason.record(serverFailure)

    private func cached(_ mode: String) throws -> CachedPolicy {
        guard case .policy(let fetched) = try fetched(mode: mode) else { throw UnexpectedError(what: "no policy") }
        return CachedPolicy(fetched, id: try recordID("1"), fetchedAt: WallTime(milliseconds: 0))
    }

    private func status(_ policy: Policy) throws -> PolicyStatus {
        switch policy {
        case .enforce: .policy(try cached("enforce"))
        case .testing: .policy(try cached("testing"))
        case .none: .policy(try cached("none"))
        case .noPolicy: .noPolicy(.nameError)
        case .unknown: .unknown(unknownReason)
        }
    }

    /// For an unknown coverage, every set of possible results.
    private static let coverages: [DANECoverage?] =
        [nil, .notApplicable, .complete, .partial]
        + (1..<8).map { bits in
            let possible = DANECoverage.Completion.allCases.enumerated().filter { bits & (1 << $0.offset) != 0 }
            return .unknown(Set(possible.map(\.element)))
        }

    private func dane(_ coverage: DANECoverage?, reason: String? = nil) -> DANEStatus {
        coverage.map { .known($0, reason: reason) } ?? .off
    }

    private static var settings: [DecisionSettings] {
        DecisionSettings.OnUnknown.allCases.flatMap { onUnknown in
            [false, true].flatMap { enforceTesting in
                DecisionSettings.NoPolicyReply.allCases.flatMap { reply in
                    DecisionSettings.DANEReply.allCases.map { daneReply in
                        DecisionSettings(
                            onUnknown: onUnknown, enforceTesting: enforceTesting, noPolicyReply: reply,
                            daneReply: daneReply)
                    }
                }
            }
        }
    }

    /// The table of Documentation/decisions.md, written in another way than in the code.
    private func expected(
        _ policy: Policy, coverage: DANECoverage?, isMissing: Bool, settings: DecisionSettings
    ) throws -> (Rule, Action) {
        let dane: Action = settings.daneReply == .dane ? .dane : .notFound
        let everywhere: Action = settings.daneReply == .daneOnly ? .daneOnly : dane
        let isEnforced = policy == .enforce || policy == .testing && settings.enforceTesting
        let secure: Action = isEnforced ? .secure(try cached(policy == .enforce ? "enforce" : "testing")) : .notFound
        let without: Action =
            switch settings.noPolicyReply {
            case .notFound: .notFound
            case .may: .may
            case .encrypt: .encrypt
            case .dane: dane
            case .none: isMissing ? .notFound : .cleartext
            }
        let reason = isMissing ? reason : "discovery not finished in time"
        switch coverage {
        case .complete: return (.dane, isEnforced ? .daneOnly : everywhere)
        case .partial: return (.danePartial, isEnforced ? secure : dane)
        case .unknown where !isEnforced: return (.daneUnknown, dane)
        case .unknown([.complete]): return (.daneUnknown, .daneOnly)
        case .unknown(let completions) where completions.contains(.complete):
            return (.daneUnknown, .deferred(.dane(reason)))
        case .unknown: return (.daneUnknown, secure)
        case .notApplicable, nil: break
        }
        switch policy {
        case .enforce: return (.enforce, secure)
        case .testing: return (.testing, secure)
        case .none: return (.none, without)
        case .noPolicy: return (.noPolicy, without)
        case .unknown where settings.onUnknown == .defer: return (.unknown, .deferred(.policy(unknownReason)))
        case .unknown: return (.unknown, without == .cleartext ? .notFound : without)
        }
    }

    @Test func `STS-2-a STS-5-a STS-5-b STS-5-c STS-3.3-m D2 every row without an override`() throws {
        var rows = 0
        for policy in Policy.allCases {
            for coverage in Self.coverages {
                // Without DANE no answer is missing.
                for isMissing in coverage == nil ? [false] : [false, true] {
                    let dane = dane(coverage, reason: isMissing ? reason : nil)
                    for settings in Self.settings {
                        let decision = Decision(try status(policy), dane: dane, settings: settings)
                        let (rule, action) = try expected(
                            policy, coverage: coverage, isMissing: isMissing, settings: settings)
                        #expect(
                            decision == Decision(rule: rule, action: action),
                            "\(policy) \(String(describing: coverage)) \(isMissing)")
                        rows += 1
                    }
                }
            }
        }
        #expect(rows == 5 * 21 * 60)
    }

    @Test func `DANE-2.1.2-c TLS is never switched off while something about DANE is missing`() throws {
        for policy in Policy.allCases {
            for coverage in Self.coverages.compactMap(\.self) {
                for settings in Self.settings {
                    let dane = dane(coverage, reason: reason)
                    let decision = Decision(try status(policy), dane: dane, settings: settings)
                    #expect(decision.action != .cleartext)
                    guard coverage != .notApplicable, settings.daneReply == .dane else { continue }
                    #expect(decision.action != .notFound, "known to be signed: \(decision)")
                }
            }
        }
    }

    @Test func `DANE-2.2-c without DANE the answer is ordinary TLS, or an enforced policy's secure`() throws {
        for policy in Policy.allCases {
            let decision = Decision(try status(policy), dane: dane(.notApplicable), settings: DecisionSettings())
            #expect(decision.action == (policy == .enforce ? .secure(try cached("enforce")) : .notFound), "\(policy)")
        }
    }

    @Test func `DANE-2.2-a at a strict level of the site complete TLSA coverage is answered with dane-only`() throws {
        let settings = DecisionSettings(daneReply: .daneOnly)
        for policy in Policy.allCases {
            let complete = Decision(try status(policy), dane: dane(.complete), settings: settings)
            #expect(complete == Decision(rule: .dane, action: .daneOnly), "\(policy)")
        }
        for coverage in [DANECoverage.partial, .unknown(.all), .unknown([.partial, .notApplicable])] {
            let decision = Decision(.noPolicy(.nameError), dane: dane(coverage), settings: settings)
            #expect(decision.action == .notFound, "\(coverage)")
        }
    }

    @Test func `DANE-2.2.1-d an unsigned MX set whose TLSA query fails does not defer mail to an enforced policy`()
        throws
    {
        let cached = try cached("enforce")
        let hosts: [MXHostStatus<String>] = [.failed("SERVFAIL")]
        func decide(_ mx: MXSecurity) -> Decision {
            let coverage = DANECoverage(mx: mx, hosts: hosts, isKnownSigned: true)
            return Decision(.policy(cached), dane: dane(coverage, reason: reason), settings: DecisionSettings())
        }
        #expect(decide(.insecure) == Decision(rule: .daneUnknown, action: .secure(cached)))
        #expect(decide(.secure) == Decision(rule: .daneUnknown, action: .deferred(.dane(reason))))
    }

    @Test func `an override has precedence over policies and DANE`() throws {
        let names = [MXPattern.exact(try #require(DomainName("mx.example.net")))]
        for policy in Policy.allCases {
            for coverage in Self.coverages {
                for settings in Self.settings {
                    let status = try status(policy)
                    func decide(_ override: OverrideEffect) -> Decision {
                        Decision(status, dane: dane(coverage), override: override, settings: settings)
                    }
                    #expect(decide(.observe) == Decision(rule: .observe, action: .notFound))
                    #expect(decide(.exempt(mayEncrypt: false)) == Decision(rule: .exempt, action: .notFound))
                    #expect(decide(.exempt(mayEncrypt: true)) == Decision(rule: .exempt, action: .may))
                    #expect(decide(.pin(names)) == Decision(rule: .pin, action: .secureByNames(names)))
                    // Without names, those of the policy, whatever its mode.
                    let pinned = decide(.pin([]))
                    #expect(pinned.rule == .pin)
                    switch status {
                    case .policy(let cached): #expect(pinned.action == .secure(cached))
                    case .noPolicy, .unknown: #expect(pinned.action == .deferred(.pinWithoutNames))
                    }
                }
            }
        }
    }

    @Test func `DANE-3.2-a if every host has usable TLSA records, the action is never secure`() throws {
        for policy in Policy.allCases {
            for settings in Self.settings {
                let decision = Decision(try status(policy), dane: dane(.complete), settings: settings)
                if case .secure = decision.action { Issue.record("\(policy): \(decision)") }
            }
        }
    }
}
