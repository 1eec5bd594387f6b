import PostfixSettings
import PostfixTable
import Testing

@Suite struct PostfixConflictTests {
    private static func postfix(_ minor: Int, dnssec: Bool = false) -> LocalPostfix {
        LocalPostfix(
            release: PostfixRelease(major: 3, minor: minor), validatesDNS: dnssec, securityLevel: .opportunistic("may"))
    }

    @Test(arguments: [
        (10, 7, true), (12, 9, true), (10, 3, true), (7, 3, true), (10, 10, false), (10, 12, false), (7, 12, false),
        (9, 4, false), (3, 12, false), (3, 2, false),
    ])
    func `words that the Postfix at hand refuses stop the start`(configured: Int, found: Int, stops: Bool) {
        let choices = PostfixChoices(release: PostfixRelease(major: 3, minor: configured), dane: .off)
        let conflicts = PostfixConflict.all(choices, beside: Self.postfix(found), looksForDANE: false)
        #expect(conflicts.map(\.consequence) == (stops ? [.stopsTheStart] : []))
        #expect(conflicts.allSatisfy { $0.key == "postfix.version" })
    }

    @Test func `a version that cannot be read, or no Postfix at all, contradicts no version`() {
        let choices = PostfixChoices(release: PostfixRelease(major: 3, minor: 12), dane: .off)
        let unreadable = LocalPostfix(release: nil, validatesDNS: false, securityLevel: .opportunistic(""))
        #expect(PostfixConflict.all(choices, beside: unreadable, looksForDANE: false).isEmpty)
        #expect(PostfixConflict.all(choices, beside: nil, looksForDANE: false).isEmpty)
    }

    @Test func `the dialect is the configured version's, else that of the Postfix at hand, else classic`() {
        #expect(PostfixChoices().dialect(beside: Self.postfix(10)) == .sts)
        #expect(PostfixChoices().dialect(beside: Self.postfix(3)) == .legacy)
        #expect(PostfixChoices().dialect(beside: nil) == .classic)
        let unreadable = LocalPostfix(release: nil, validatesDNS: false, securityLevel: .opportunistic(""))
        #expect(PostfixChoices().dialect(beside: unreadable) == .classic)
        let old = PostfixChoices(release: PostfixRelease(major: 3, minor: 7))
        #expect(old.dialect(beside: Self.postfix(12)) == .classic)
    }

    @Test func `DANE is on where Postfix does it too, unless it is said otherwise`() {
        for dnssec in [true, false] {
            #expect(PostfixChoices(dane: .auto).wantsDANE(beside: Self.postfix(7, dnssec: dnssec)) == dnssec)
            #expect(PostfixChoices(dane: .on).wantsDANE(beside: Self.postfix(7, dnssec: dnssec)))
            #expect(!PostfixChoices(dane: .off).wantsDANE(beside: Self.postfix(7, dnssec: dnssec)))
        }
        #expect(!PostfixChoices(dane: .auto).wantsDANE(beside: nil))
        #expect(PostfixChoices(dane: .on).wantsDANE(beside: nil))
    }

    /// Every DANE setting, reply and Postfix; the conflicts each has.
    @Test(arguments: PostfixChoices.DANE.allCases, [nil, false, true])
    func `every combination has its conflicts`(dane: PostfixChoices.DANE, dnssec: Bool?) {
        for works in [true, false] { check(dane, dnssec, works) }
    }

    /// - Parameter works: whether DNSSEC does, so that what is wanted is possible.
    private func check(_ dane: PostfixChoices.DANE, _ dnssec: Bool?, _ works: Bool) {
        let postfix = dnssec.map { Self.postfix(7, dnssec: $0) }
        var always: [PostfixConflict] = []
        if dane == .on, dnssec == false { always.append(.daneWithoutDNSSEC) }
        if dane == .auto, dnssec == nil { always.append(.daneUnknown) }
        let looksForDANE = works && PostfixChoices(dane: dane).wantsDANE(beside: postfix)
        let isOff = dnssec == true && !looksForDANE
        if isOff, dane != .off { always.append(.policyOverridesDANE) }
        let noDNSSEC: [PostfixConflict] = dnssec == false ? [.replyDANEWithoutDNSSEC] : []
        let replies: [(TLSPolicyEntry?, [PostfixConflict])] = [
            (nil, []), (.may, isOff ? [.replySwitchesDANEOff(level: "may")] : []),
            (.encrypt, isOff ? [.replySwitchesDANEOff(level: "encrypt")] : []), (.dane, noDNSSEC),
            (.cleartext, (isOff ? [.replySwitchesDANEOff(level: "none")] : []) + [.replyNone]),
        ]
        for (reply, expected) in replies {
            let choices = PostfixChoices(dane: dane, noPolicyReply: reply)
            #expect(PostfixConflict.all(choices, beside: postfix, looksForDANE: looksForDANE) == always + expected)
        }
    }

    // MARK: Services that differ

    private static func services(_ services: [(name: String, dnssec: Bool, level: String)]) -> LocalPostfix {
        LocalPostfix(
            release: PostfixRelease(major: 3, minor: 7),
            services: services.map {
                DeliveryService(name: $0.name, validatesDNS: $0.dnssec, securityLevel: SecurityLevel($0.level))
            })
    }

    @Test func `services that differ in DNSSEC are one warning, and do not stop the start`() {
        let postfix = Self.services([("smtp", false, "may"), ("relay", true, "may")])
        #expect(!PostfixChoices().wantsDANE(beside: postfix))
        #expect(
            PostfixConflict.all(PostfixChoices(), beside: postfix, looksForDANE: false)
                == [.servicesDifferInDNSSEC(with: ["relay"], without: ["smtp"], looksForDANE: false)])
        let on = PostfixConflict.all(PostfixChoices(dane: .on), beside: postfix, looksForDANE: true)
        #expect(on == [.servicesDifferInDNSSEC(with: ["relay"], without: ["smtp"], looksForDANE: true)])
        #expect(on.first?.consequence == .warning)
        #expect(on.first?.description.contains("hold mail on `dane-only`") == true)
        #expect(PostfixConflict.all(PostfixChoices(dane: .off), beside: postfix, looksForDANE: false).isEmpty)
    }

    @Test func `services that differ in level are one warning where DANE is answered, unless a level is chosen`() {
        let postfix = Self.services([("smtp", true, "encrypt"), ("relay", true, "")])
        let conflict = PostfixConflict.servicesDifferInLevel(["smtp (encrypt)", "relay (empty)"], binding: "encrypt")
        func all(_ level: SecurityLevel? = nil, _ postfix: LocalPostfix = postfix, looks: Bool = true)
            -> [PostfixConflict]
        {
            PostfixConflict.all(
                PostfixChoices(dane: looks ? .auto : .off), beside: postfix, securityLevel: level, looksForDANE: looks)
        }
        #expect(all() == [conflict])
        #expect(all(SecurityLevel("may")).isEmpty)
        #expect(all(looks: false).isEmpty)
        #expect(all(nil, Self.services([("smtp", true, "verify"), ("relay", true, "encrypt")])).isEmpty)
        #expect(all(nil, Self.services([("smtp", true, "dane"), ("relay", true, "may")])).isEmpty)
    }

    @Test func `messages name both sides`() {
        let release = PostfixRelease(major: 3, minor: 12)
        let conflict = PostfixConflict.dialect(configured: release, found: PostfixRelease(major: 3, minor: 7))
        #expect(conflict.description.hasPrefix("postfix.version is 3.12, but postconf says 3.7,"))
        let all: [PostfixConflict] = [
            conflict, .daneWithoutDNSSEC, .replySwitchesDANEOff(level: "may"), .replyDANEWithoutDNSSEC, .replyNone,
            .daneUnknown, .policyOverridesDANE,
            .servicesDifferInDNSSEC(with: ["relay"], without: ["smtp"], looksForDANE: false),
            .servicesDifferInLevel(["smtp (encrypt)", "relay (may)"], binding: "encrypt"),
        ]
        #expect(all.allSatisfy { $0.description.contains($0.key) })
        #expect(all.map { $0.consequence == .stopsTheStart } == [true, true] + [Bool](repeating: false, count: 7))
    }
}
