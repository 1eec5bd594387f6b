import PostfixConfig
import PostfixTable
import Testing

@Suite struct PostfixConflictTests {
    private static func postfix(_ minor: Int, dnssec: Bool = false) -> PostfixProfile {
        PostfixProfile(
            release: PostfixRelease(major: 3, minor: minor), validatesDNS: dnssec, securityLevel: .opportunistic("may"))
    }

    @Test(arguments: [
        (10, 7, true), (12, 9, true), (10, 3, true), (7, 3, true), (10, 10, false), (10, 12, false), (7, 12, false),
        (9, 4, false), (3, 12, false), (3, 2, false),
    ])
    func `attributes that the installed Postfix refuses stop the start`(configured: Int, found: Int, stops: Bool) {
        let options = PostfixOptions(release: PostfixRelease(major: 3, minor: configured), dane: .off)
        let conflicts = PostfixConflict.all(options, beside: Self.postfix(found), looksForDANE: false)
        #expect(conflicts.map(\.consequence) == (stops ? [.stopsTheStart] : []))
        #expect(conflicts.allSatisfy { $0.key == "postfix.version" })
    }

    @Test func `an unknown version, or no Postfix at all, contradicts no version`() {
        let options = PostfixOptions(release: PostfixRelease(major: 3, minor: 12), dane: .off)
        let unreadable = PostfixProfile(release: nil, validatesDNS: false, securityLevel: .opportunistic(""))
        #expect(PostfixConflict.all(options, beside: unreadable, looksForDANE: false).isEmpty)
        #expect(PostfixConflict.all(options, beside: nil, looksForDANE: false).isEmpty)
    }

    @Test func `the dialect is that of the configured version, else of the installed Postfix, else classic`() {
        #expect(PostfixOptions().dialect(beside: Self.postfix(10)) == .sts)
        #expect(PostfixOptions().dialect(beside: Self.postfix(3)) == .legacy)
        #expect(PostfixOptions().dialect(beside: nil) == .classic)
        let unreadable = PostfixProfile(release: nil, validatesDNS: false, securityLevel: .opportunistic(""))
        #expect(PostfixOptions().dialect(beside: unreadable) == .classic)
        let old = PostfixOptions(release: PostfixRelease(major: 3, minor: 7))
        #expect(old.dialect(beside: Self.postfix(12)) == .classic)
    }

    @Test func `DANE is on if Postfix uses it, unless configured otherwise`() {
        for dnssec in [true, false] {
            #expect(PostfixOptions(dane: .auto).wantsDANE(beside: Self.postfix(7, dnssec: dnssec)) == dnssec)
            #expect(PostfixOptions(dane: .on).wantsDANE(beside: Self.postfix(7, dnssec: dnssec)))
            #expect(!PostfixOptions(dane: .off).wantsDANE(beside: Self.postfix(7, dnssec: dnssec)))
        }
        #expect(!PostfixOptions(dane: .auto).wantsDANE(beside: nil))
        #expect(PostfixOptions(dane: .on).wantsDANE(beside: nil))
    }

    /// Checks the conflicts of every DANE setting, reply and Postfix.
    @Test(arguments: PostfixOptions.DANE.allCases, [nil, false, true])
    func `every combination has its conflicts`(dane: PostfixOptions.DANE, dnssec: Bool?) {
        for works in [true, false] { check(dane, dnssec: dnssec, works: works) }
    }

    /// - Parameter works: whether DNSSEC works.
    private func check(_ dane: PostfixOptions.DANE, dnssec: Bool?, works: Bool) {
        let postfix = dnssec.map { Self.postfix(7, dnssec: $0) }
        var always: [PostfixConflict] = []
        if dane == .on, dnssec == false { always.append(.daneWithoutDNSSEC) }
        if dane == .auto, dnssec == nil { always.append(.daneUnknown) }
        let looksForDANE = works && PostfixOptions(dane: dane).wantsDANE(beside: postfix)
        let isOff = dnssec == true && !looksForDANE
        if isOff, dane != .off { always.append(.policyOverridesDANE) }
        let noDNSSEC: [PostfixConflict] = dnssec == false ? [.replyDANEWithoutDNSSEC] : []
        let replies: [(TLSPolicyEntry?, [PostfixConflict])] = [
            (nil, []), (.may, isOff ? [.replySwitchesDANEOff(level: "may")] : []),
            (.encrypt, isOff ? [.replySwitchesDANEOff(level: "encrypt")] : []), (.dane, noDNSSEC),
            (.cleartext, (isOff ? [.replySwitchesDANEOff(level: "none")] : []) + [.replyNone]),
        ]
        for (reply, expected) in replies {
            let options = PostfixOptions(dane: dane, noPolicyReply: reply)
            #expect(PostfixConflict.all(options, beside: postfix, looksForDANE: looksForDANE) == always + expected)
        }
    }

    // MARK: Services that differ

    private static func services(_ services: [(name: String, dnssec: Bool, level: String)]) -> PostfixProfile {
        PostfixProfile(
            release: PostfixRelease(major: 3, minor: 7),
            services: services.map {
                DeliveryService(name: $0.name, validatesDNS: $0.dnssec, securityLevel: SecurityLevel($0.level))
            })
    }

    @Test func `services that differ in DNSSEC are one warning, and do not stop the start`() {
        let postfix = Self.services([("smtp", false, "may"), ("relay", true, "may")])
        #expect(!PostfixOptions().wantsDANE(beside: postfix))
        #expect(
            PostfixConflict.all(PostfixOptions(), beside: postfix, looksForDANE: false)
                == [.servicesDifferInDNSSEC(with: ["relay"], without: ["smtp"], looksForDANE: false)])
        let on = PostfixConflict.all(PostfixOptions(dane: .on), beside: postfix, looksForDANE: true)
        #expect(on == [.servicesDifferInDNSSEC(with: ["relay"], without: ["smtp"], looksForDANE: true)])
        #expect(on.first?.consequence == .warning)
        #expect(on.first?.description.contains("defer mail on `dane-only`") == true)
        #expect(PostfixConflict.all(PostfixOptions(dane: .off), beside: postfix, looksForDANE: false).isEmpty)
    }

    @Test
    func `services that differ in level are one warning if the bridge looks for DANE, unless a level is configured`() {
        let postfix = Self.services([("smtp", true, "encrypt"), ("relay", true, "")])
        let conflict = PostfixConflict.servicesDifferInLevel(["smtp (encrypt)", "relay (empty)"], binding: "encrypt")
        func all(_ level: SecurityLevel? = nil, postfix: PostfixProfile = postfix, looks: Bool = true)
            -> [PostfixConflict]
        {
            PostfixConflict.all(
                PostfixOptions(dane: looks ? .auto : .off), beside: postfix, securityLevel: level, looksForDANE: looks)
        }
        #expect(all() == [conflict])
        #expect(all(SecurityLevel("may")).isEmpty)
        #expect(all(looks: false).isEmpty)
        #expect(all(nil, postfix: Self.services([("smtp", true, "verify"), ("relay", true, "encrypt")])).isEmpty)
        #expect(all(nil, postfix: Self.services([("smtp", true, "dane"), ("relay", true, "may")])).isEmpty)
    }

    @Test func `messages name both sides`() {
        let release = PostfixRelease(major: 3, minor: 12)
        let conflict = PostfixConflict.dialect(configured: release, found: PostfixRelease(major: 3, minor: 7))
        #expect(conflict.description.hasPrefix("postfix.version is 3.12, but Postfix is 3.7,"))
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
