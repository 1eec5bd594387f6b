import MTASTS
import PostfixTable
import Testing
import TestSupport

@Suite struct TLSPolicyEntryTests {
    @Test func `patterns keep the policy's order, and each comes once`() throws {
        let mx = ["b.example.com", "*.example.net", "A.example.com", "B.Example.com", "*.EXAMPLE.net", "a.example.com"]
        #expect(try Self.match(mx) == "b.example.com:.example.net:a.example.com")
    }

    @Test func `STS-3.2-s single labels and dotted digits are left out`() throws {
        #expect(try Self.match(["hostname", "192.0.2.1", "mx.example.com", "*.0.2.1"]) == "mx.example.com")
    }

    @Test(arguments: [["hostname"], ["nexthop", "dot-nexthop"], ["192.0.2.1"], ["localhost", "10.0.0.1"]])
    func `a policy without a usable name has no entry, so no empty match`(mx: [String]) throws {
        let policy = try STSPolicy(Array(policyText(mx: mx).utf8))
        #expect(SecureMatch(domain: try domain("example.com"), policy: policy) == nil)
        #expect(SecureMatch(domain: try domain("example.com"), pinned: mx.compactMap { MXPattern($0) }) == nil)
    }

    @Test func `reasons are printable, never empty and at most 200 characters`() {
        #expect(TemporaryReason("").text == "no reason known")
        #expect(TemporaryReason("plain text: 5.7.1").text == "plain text: 5.7.1")
        #expect(TemporaryReason("a\nb\u{0}\u{1b}[31m é").text == #"a\x0Ab\x00\x1B[31m \xC3\xA9"#)
        #expect(TemporaryReason(String(repeating: "x", count: 1_000)).text.utf8.count == 200)
        #expect(TemporaryReason(String(repeating: "\n", count: 1_000)).text.utf8.count <= 200)
    }

    @Test func `pinned names are matched, and no dialect mentions a policy`() throws {
        let names = ["mx.example.net", "*.example.org", "MX.example.net", "hostname"].compactMap { MXPattern($0) }
        let match = try #require(SecureMatch(domain: try domain("example.com"), pinned: names))
        let reply = TableReply.entry(.secure(match))
        let words = "secure match=mx.example.net:.example.org"
        #expect(CheckedReply.socketmap(reply, in: .sts) == "63:OK \(words) servername=hostname,")
        #expect(CheckedReply.socketmap(reply, in: .classic) == CheckedReply.socketmap(reply, in: .sts))
        #expect(CheckedReply.socketmap(reply, in: .legacy) == "43:OK \(words),")
    }

    @Test func `RPT-B-h all levels but secure are one word in every dialect`() {
        for (word, reply) in TableReply.bare {
            for dialect in Dialect.allCases {
                #expect(CheckedReply.socketmap(reply, in: dialect) == "\(3 + word.utf8.count):OK \(word),")
                #expect(CheckedReply.tcpTable(reply, in: dialect) == "200 \(word)\n")
            }
            guard case .entry(let entry) = reply else { continue }
            #expect(entry.level == word)
        }
    }

    @Test func `dialect sts contains the published policy`() throws {
        let reply = try TableReply.secure(
            "version: STSv1\r\nmode: enforce\r\nmx: mx1.alpha.test\r\nmx: *.example.net\r\nmax_age: 604800\r\n")
        #expect(
            CheckedReply.socketmap(reply, in: .sts) == """
                348:OK secure match=mx1.alpha.test:.example.net servername=hostname policy_type=sts \
                policy_domain=example.com { policy_string = version: STSv1 } { policy_string = mode: enforce } \
                { policy_string = mx: mx1.alpha.test } { policy_string = mx: *.example.net } \
                { policy_string = max_age: 604800 } mx_host_pattern=mx1.alpha.test mx_host_pattern=*.example.net,
                """)
        #expect(
            CheckedReply.tcpTable(reply, in: .sts).hasPrefix(
                "200 secure%20match=mx1.alpha.test:.example.net%20servername=hostname%20policy_type=sts%20"))
        // The other dialects have no new attribute: one too many would stop all mail on an older Postfix.
        #expect(CheckedReply.socketmap(reply).hasSuffix("match=mx1.alpha.test:.example.net servername=hostname,"))
    }

    @Test func `a wildcard is a dot in match and a star in mx_host_pattern`() throws {
        let entry = try #require(CheckedReply.entry(try .sample(mx: ["*.olc.protection.outlook.com"]), in: .sts))
        #expect(entry.values(of: "match") == [".olc.protection.outlook.com"])
        #expect(entry.values(of: "mx_host_pattern") == ["*.olc.protection.outlook.com"])
    }

    @Test func `an sts reply that is too long loses its TLSRPT attributes, not the policy`() throws {
        // Dialect sts repeats each name three times.
        let reply = try TableReply.sample(mx: try SocketmapCodecTests.names(octets: 50_000))
        #expect(CheckedReply.socketmap(reply, in: .sts) == CheckedReply.socketmap(reply, in: .classic))
        #expect(CheckedReply.socketmap(reply, in: .sts).hasPrefix("50036:OK secure match="))
        let line = try TableReply.sample(mx: try SocketmapCodecTests.names(octets: 3_000))
        #expect(CheckedReply.tcpTable(line, in: .sts) == CheckedReply.tcpTable(line, in: .classic))
        #expect(CheckedReply.tcpTable(line, in: .sts).hasPrefix("200 secure%20match="))
        let never = try TableReply.sample(mx: try SocketmapCodecTests.names(octets: 100_000))
        #expect(
            CheckedReply.socketmap(never, in: .sts).hasPrefix("91:TEMP policy of example.com lists more mx than fit"))
        #expect(CheckedReply.tcpTable(never, in: .sts).hasPrefix("400 policy%20of%20example.com%20lists%20more%20mx"))
    }

    @Test func `the limits are exact in dialect sts too`() throws {
        let padded = { (octets: Int) in
            try TableReply.secure(
                "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1\nx: "
                    + String(repeating: "y", count: octets))
        }
        let base = try #require(Int(CheckedReply.socketmap(try padded(1), in: .sts).prefix { $0 != ":" })) - 1
        #expect(
            CheckedReply.socketmap(try padded(100_000 - base), in: .sts).hasPrefix("100000:OK secure match=a.test s"))
        #expect(CheckedReply.socketmap(try padded(100_001 - base), in: .sts).hasPrefix("42:OK secure match=a.test"))
        let line = CheckedReply.tcpTable(try padded(1), in: .sts).utf8.count - 2
        #expect(CheckedReply.tcpTable(try padded(4_095 - line), in: .sts).utf8.count == 4_096)
        #expect(CheckedReply.tcpTable(try padded(4_096 - line), in: .sts).utf8.count < 100)
    }

    private static func match(_ mx: [String]) throws -> String {
        try #require(CheckedReply.entry(try TableReply.sample(mx: mx), in: .legacy)?.values(of: "match").first)
    }
}
