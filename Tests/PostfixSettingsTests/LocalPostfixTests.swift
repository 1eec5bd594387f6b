import PostfixSettings
import Testing

@Suite struct LocalPostfixTests {
    @Test func `postconf's lines become values, wherever they stand`() {
        let postfix = LocalPostfix(
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
                == LocalPostfix(
                    release: PostfixRelease(major: 3, minor: 7), validatesDNS: true, securityLevel: .other("dane")))
    }

    @Test func `what a version does not have, or leaves empty, is not there`() {
        let old = LocalPostfix(postconf: "mail_version = 2.10.1\nsmtp_tls_security_level =\n")
        #expect(
            old
                == LocalPostfix(
                    release: PostfixRelease(major: 2, minor: 10), validatesDNS: false, securityLevel: .opportunistic("")
                ))
        let nothing = LocalPostfix(postconf: "")
        #expect(nothing == LocalPostfix(release: nil, validatesDNS: false, securityLevel: .opportunistic("")))
        #expect(LocalPostfix(postconf: "mail_version = $mine").release == nil)
    }

    @Test(arguments: [
        ("", true), ("none", true), ("MAY", true), ("encrypt", false), ("dane", false), ("secure", false), ("?", false),
    ])
    func `only what is weaker gives way to dane`(level: String, givesWay: Bool) {
        #expect(SecurityLevel(level).givesWayToDANE == givesWay)
    }

    @Test(arguments: [
        ("", false), ("may", false), ("encrypt", true), ("Verify", true), ("secure", true), ("dane", false),
        ("dane-only", false), ("fingerprint", false), ("?", false),
    ])
    func `only levels that judge by certificates give way to dane-only`(level: String, givesWay: Bool) {
        #expect(SecurityLevel(level).givesWayToDANEOnly == givesWay)
    }

    @Test func `the old parameter counts where the level is empty`() {
        let postfix = LocalPostfix(postconf: "smtp_tls_security_level =\nsmtp_enforce_tls = yes\n")
        #expect(postfix.securityLevel == .other("encrypt"))
        let both = LocalPostfix(postconf: "smtp_tls_security_level = may\nsmtp_enforce_tls = yes\n")
        #expect(both.securityLevel == .opportunistic("may"))
    }
}
