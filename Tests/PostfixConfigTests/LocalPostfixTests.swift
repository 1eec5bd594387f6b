import PostfixConfig
import Testing

@Suite struct LocalPostfixTests {
    @Test func `postconf's lines become values in any order`() {
        let postfix = PostfixProfile(
            postconf: """
                smtp_tls_security_level = Dane
                mail_version = 3.7.11
                smtp_enforce_tls = no
                smtp_dns_support_level = DNSSEC
                other = a = b
                no pair

                """)
        #expect(
            postfix
                == PostfixProfile(
                    release: PostfixRelease(major: 3, minor: 7), validatesDNS: true, securityLevel: .other("dane")))
    }

    @Test func `a parameter that a version lacks or leaves empty has no value`() {
        let old = PostfixProfile(postconf: "mail_version = 2.10.1\nsmtp_tls_security_level =\n")
        #expect(
            old
                == PostfixProfile(
                    release: PostfixRelease(major: 2, minor: 10), validatesDNS: false, securityLevel: .opportunistic("")
                ))
        let nothing = PostfixProfile(postconf: "")
        #expect(nothing == PostfixProfile(release: nil, validatesDNS: false, securityLevel: .opportunistic("")))
        #expect(PostfixProfile(postconf: "mail_version = $mine").release == nil)
    }

    @Test(arguments: [
        ("", true), ("none", true), ("MAY", true), ("encrypt", false), ("dane", false), ("secure", false), ("?", false),
    ])
    func `only weaker levels give way to dane`(level: String, givesWay: Bool) {
        #expect(SecurityLevel(level).givesWayToDANE == givesWay)
    }

    @Test(arguments: [
        ("", false), ("may", false), ("encrypt", true), ("Verify", true), ("secure", true), ("dane", false),
        ("dane-only", false), ("fingerprint", false), ("?", false),
    ])
    func `only levels that verify certificates give way to dane-only`(level: String, givesWay: Bool) {
        #expect(SecurityLevel(level).givesWayToDANEOnly == givesWay)
    }

    @Test func `the old parameter counts if the level is empty`() {
        let postfix = PostfixProfile(postconf: "smtp_tls_security_level =\nsmtp_enforce_tls = yes\n")
        #expect(postfix.securityLevel == .other("encrypt"))
        let both = PostfixProfile(postconf: "smtp_tls_security_level = may\nsmtp_enforce_tls = yes\n")
        #expect(both.securityLevel == .opportunistic("may"))
    }
}
