import MTASTS
import NIOCore
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
    func `a policy without a usable name gives no entry, so no empty match`(mx: [String]) throws {
        let policy = try STSPolicy(Array(policyText(mx: mx).utf8))
        #expect(SecureMatch(domain: try domain("example.com"), policy: policy) == nil)
    }

    @Test func `reasons are printable, never empty and at most 200 characters`() {
        #expect(Reason("").text == "no reason known")
        #expect(Reason("plain text: 5.7.1").text == "plain text: 5.7.1")
        #expect(Reason("a\nb\u{0}\u{1b}[31m é").text == #"a\x0Ab\x00\x1B[31m \xC3\xA9"#)
        #expect(Reason(String(repeating: "x", count: 1_000)).text.utf8.count == 200)
        #expect(Reason(String(repeating: "\n", count: 1_000)).text.utf8.count <= 200)
    }

    @Test(arguments: [
        ("classic", Dialect.classic), ("postfix", .classic), ("QUERY", .classic), ("legacy", .legacy),
    ])
    func `map names choose the dialect`(name: String, dialect: Dialect) {
        #expect(Dialect(mapName: Array(name.utf8)) == dialect)
    }

    @Test(arguments: ["", "Postfix", "query", "QUERYX", "legacy ", "\u{0}"])
    func `other map names choose none`(name: String) {
        #expect(Dialect(mapName: Array(name.utf8)) == nil)
    }

    private static func match(_ mx: [String]) throws -> String {
        var buffer = ByteBuffer()
        SocketmapReplyEncoder.encode(try TableReply.sample(mx: mx), dialect: .legacy, into: &buffer)
        let text = String(buffer: buffer)
        return String(try #require(text.split(separator: "match=").last).dropLast())
    }
}
