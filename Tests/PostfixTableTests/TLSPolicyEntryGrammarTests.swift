import Testing
import TestSupport

/// Compares the checker itself with the behaviour of Postfix 3.7.11 and 3.12 for real replies.
/// `+` before a version: it accepts the entry; the others defer the mail.
@Suite struct TLSPolicyEntryGrammarTests {
    typealias Grammar = TLSPolicyEntryGrammar

    private static func versionsThatAccept(of entry: String) -> [Grammar.Generation] {
        Grammar.Generation.allCases.filter { Grammar($0).errors(of: entry).isEmpty }
    }

    @Test(arguments: [
        "none", "may", "encrypt", "dane", "dane-only", "verify", "secure", "SECURE", "Dane-Only",
        "secure match=mx1.alpha.test", "secure match=mx1.alpha.test:.example.net", "secure match=a.test match=b.test",
        "secure,match=a.test", "secure\r\n\tmatch=a.test", "secure match=a.test,ciphers=high", "secure MATCH=a.test",
        "verify match=hostname", "secure match=nexthop:dot-nexthop", "fingerprint match=00:11",
        "may ciphers=medium protocols=!SSLv2 exclude=aNULL", "secure match=bücher.test", " secure ",
        // Without TLS, attributes only cause warnings.
        "none match=x", "none policy_type=sts", "none {", "none policy_failure=x",
    ])
    func `every version accepts these entries`(entry: String) {
        #expect(Self.versionsThatAccept(of: entry) == Grammar.Generation.allCases)
    }

    @Test(arguments: [
        "", " ", ",", "half-dane", "securematch=a.test", "match=a.test secure", "secure;match=a.test",
        "secure match", "secure =a.test", "secure match =a.test", "secure match= a.test", "secure match=",
        "secure servername=", "secure unknown=1", "secure match=.", "may match=a.test", "encrypt match=a.test",
        "dane match=a.test", "dane-only match=a.test", "fingerprint", "secure ciphers=high ciphers=low",
        "secure servername=a b", "secure servername=-a.test", "secure servername=hostname servername=hostname",
        "secure match=a.test { policy_string = a{b }", "secure { match=a.test", "secure match=a.test\u{0}",
        "may tafile=/x",
        "secure connection_reuse=maybe",
    ])
    func `every version defers mail for these entries`(entry: String) {
        #expect(Self.versionsThatAccept(of: entry).isEmpty)
    }

    @Test(arguments: [
        ("secure match=a.test servername=hostname", Grammar.Generation.postfix3_7),
        ("may servername=nexthop", .postfix3_7), ("dane servername=mx.example.com", .postfix3_7),
        ("may connection_reuse=yes", .postfix3_7), ("may enable_rpk=no", .postfix3_9),
        ("secure { match = a.test }", .postfix3_10), ("secure {match=a.test}", .postfix3_10),
        ("secure match=a.test policy_type=sts", .postfix3_10), ("may policy_type=no-policy-found", .postfix3_10),
        ("secure policy_type=STS policy_domain=a.test policy_ttl=7", .postfix3_10),
        ("secure match=a.test policy_type=sts { policy_string = mx: *.a.test } { policy_string = a, b }", .postfix3_10),
        ("secure match=a.test policy_type=sts { policy_string = a{b}c }", .postfix3_10),
        ("dane policy_type=sts mx_host_pattern=a.test mx_host_pattern=*.b.test", .postfix3_10),
        ("may policy_type=sts policy_failure=sts-webpki-invalid", .postfix3_10),
    ])
    func `older versions defer mail for newer attributes`(entry: String, since: Grammar.Generation) {
        #expect(Self.versionsThatAccept(of: entry) == Grammar.Generation.allCases.filter { $0 >= since })
    }

    @Test(arguments: [
        // Errors in 3.10 and later too.
        "secure match=a.test policy_type=dane", "secure match=a.test policy_type=", "may policy_domain=a.test",
        "may policy_ttl=1", "may { policy_string = x }", "may mx_host_pattern=a.test", "may policy_failure=x",
        "secure policy_type=sts policy_type=sts", "secure policy_type=sts policy_domain=bücher.test",
        "secure policy_type=sts policy_domain=a.test policy_domain=a.test", "secure policy_type=sts policy_domain=",
        "secure policy_type=sts policy_ttl=1d", "secure policy_type=sts policy_failure=other",
        "secure policy_type=sts { policy_string = a }{ policy_string = b }",
        "secure policy_type=sts { policy_string = a } }", "secure policy_type=sts { policy_string = a}b }",
        "secure policy_type=sts { policy string = a }", "secure policy_type=sts {}", "secure policy_type=sts { }",
        "secure policy_type=sts { policy_string }", "secure policy_type=sts policy_string = a",
    ])
    func `no version accepts these newer attributes`(entry: String) {
        #expect(Self.versionsThatAccept(of: entry).isEmpty)
    }

    @Test func `the first error is named`() {
        #expect(
            Grammar(.postfix3_3).errors(of: "secure match=a.b servername=hostname") == [
                .unknownAttribute("servername")
            ])
        #expect(
            Grammar(.postfix3_7).errors(of: "secure match=a.b policy_type=sts") == [.unknownAttribute("policy_type")])
        #expect(Grammar(.postfix3_7).errors(of: "may { ciphers = high }") == [.malformedAttribute("{")])
        #expect(Grammar(.postfix3_12).errors(of: "secure match=") == [.emptyValue("match")])
        #expect(Grammar(.postfix3_12).errors(of: "may match=a.b") == [.notAtLevel("match", level: "may")])
        #expect(Grammar(.postfix3_12).errors(of: [0x6D, 0x61, 0x79, 0x20, 0xFF]) == [.notUTF8])
        #expect(Grammar(.postfix3_12).errors(of: "may\u{0} x") == [.containsNUL])
    }

    @Test func `values are those that Postfix stores`() {
        let entry = Grammar(.postfix3_12).entry(
            Array("Secure Match=a.test:.b.test { Policy_String =  mx: *.b.test }\n{policy_string=k: a, b = c}".utf8))
        let attributes = [
            ("match", "a.test:.b.test"), ("policy_string", "mx: *.b.test"), ("policy_string", "k: a, b = c"),
        ]
        #expect(entry == Grammar.Entry(level: "secure", attributes: attributes))
    }

    private static let policy =
        "secure match=mx1.alpha.test:.example.net servername=hostname policy_type=sts policy_domain=one.test "
        + "{ policy_string = version: STSv1 } { policy_string = mode: enforce } { policy_string = mx: mx1.alpha.test } "
        + "{ policy_string = mx: *.example.net } { policy_string = max_age: 604800 } "
        + "mx_host_pattern=mx1.alpha.test mx_host_pattern=*.example.net"

    @Test func `a reply with which Postfix 3.12 delivered and reported has no violation`() {
        #expect(Grammar(.postfix3_10).violations(of: Self.policy).isEmpty)
        #expect(Grammar(.postfix3_12).violations(of: Self.policy).isEmpty)
        #expect(!Grammar(.postfix3_9).errors(of: Self.policy).isEmpty)
    }

    @Test(arguments: [
        // `.d` in place of `*.d`, and other patterns that never match a host.
        ("mx_host_pattern=*.example.net", "mx_host_pattern=.example.net"),
        ("mx_host_pattern=*.example.net", "mx_host_pattern=*"),
        ("mx_host_pattern=*.example.net", "mx_host_pattern=*.example.net."),
        (
            " mx_host_pattern=mx1.alpha.test mx_host_pattern=*.example.net",
            " mx_host_pattern=mx1.alpha.test:*.example.net"
        ),
        (" mx_host_pattern=mx1.alpha.test mx_host_pattern=*.example.net", ""),
        (" mx_host_pattern=*.example.net", ""),
        ("match=mx1.alpha.test:.example.net", "match=mx1.alpha.test:*.example.net"),
        ("match=mx1.alpha.test:.example.net", "match=mx1.alpha.test.:.example.net"),
        // Match strategies of Postfix, and texts that are not names.
        ("match=mx1.alpha.test:.example.net", "match=hostname"), ("match=mx1.alpha.test", "match=localhost"),
        ("match=mx1.alpha.test", "match=192.0.2.1"), ("match=mx1.alpha.test", "match=MX1.alpha.test"),
        ("match=mx1.alpha.test:", "match=mx1.alpha.test::"), ("match=mx1.alpha.test:.example.net ", ""),
        ("match=mx1.alpha.test:", "match=mx1.alpha.test:mx1.alpha.test:"),
        ("match=mx1.alpha.test:.example.net", "match=mx1.alpha.test match=.example.net"),
        ("servername=hostname", "servername=nexthop"), ("servername=hostname", "ciphers=high"),
        ("servername=hostname ", "servername=hostname  "), ("servername=hostname ", "servername=hostname\n"),
        ("policy_type=sts", "policy_type=no-policy-found"), ("policy_type=sts", "policy_type=sts policy_ttl=60"),
        ("policy_type=sts", "policy_type=sts policy_failure=sts-policy-invalid"),
        (" policy_domain=one.test", ""), ("policy_domain=one.test", "policy_domain=ONE.test"),
        ("version: STSv1", "a{b}c"), ("version: STSv1", ""), ("version: STSv1", "\u{85}"), ("version: STSv1", "a\tb"),
        ("secure match=mx1.alpha.test:.example.net servername=hostname", "may"),
        ("secure match=mx1.alpha.test:.example.net servername=hostname", "dane"),
        ("secure match=mx1.alpha.test:.example.net servername=hostname", "none"),
        ("secure", "verify"),
    ])
    func `an entry that Postfix may accept but the encoder never writes is a violation`(part: String, other: String) {
        let entry = Self.policy.replacing(part, with: other)
        #expect(entry != Self.policy)
        #expect(!Grammar(.postfix3_12).violations(of: entry).isEmpty)
    }

    @Test(arguments: ["none", "may", "encrypt", "dane", "dane-only"])
    func `bare levels are correct, with any attribute they are not`(level: String) {
        for generation in Grammar.Generation.allCases {
            #expect(Grammar(generation).violations(of: level).isEmpty)
            for tail in [" ", " policy_type=sts", " servername=hostname", " ciphers=high", ","] {
                #expect(!Grammar(generation).violations(of: level + tail).isEmpty)
            }
        }
    }

    @Test(arguments: [
        "", "9:NOTFOUND ", "8:NOTFOUND,", "10:NOTFOUND x,", "3:OK ,", "2:OK,", "6:ok may,", "6:OK may,x", "06:OK may,",
        "7:OK may,", "5:TEMP ,", "8:TEMP a\nb,", "9:NOPE may ,", "6:OK may;",
        "206:TEMP " + String(repeating: "x", count: 201) + ",",
        "100001:OK " + String(repeating: "x", count: 99_998) + ",",
    ])
    func `malformed socketmap replies are violations`(reply: String) {
        #expect(!TableReplyGrammar(.postfix3_12).violations(ofSocketmap: Array(reply.utf8)).isEmpty)
    }

    @Test(arguments: [
        "", "500\n", "500 x", "200 \n", "200 may", "200 may x\n", "200 may%2\n", "200 may%+1\n", "300 may\n", "400 \n",
        "200 may\r\n", "200 b\u{fc}\n", "200 " + String(repeating: "x", count: 4_092) + "\n", "400 a%0Ab\n",
        "200 may%20match=a.test\n",
    ])
    func `malformed tcp_table replies are violations`(reply: String) {
        #expect(!TableReplyGrammar(.postfix3_12).violations(ofTCPTable: Array(reply.utf8)).isEmpty)
    }

    @Test func `replies that Postfix understands have no violations`() {
        let grammar = TableReplyGrammar(.postfix3_12)
        for reply in ["9:NOTFOUND ,", "6:OK may,", "8:TEMP why,", "8:PERM why,"] {
            #expect(grammar.violations(ofSocketmap: Array(reply.utf8)).isEmpty)
        }
        for reply in ["500 NOTFOUND\n", "200 may\n", "400 why%20not\n", "200 secure%20match=a.test\n"] {
            #expect(grammar.violations(ofTCPTable: Array(reply.utf8)).isEmpty)
        }
    }
}
