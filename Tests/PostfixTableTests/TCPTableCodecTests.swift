import MTASTS
import NIOCore
import NIOTestUtils
import PostfixTable
import Testing
import TestSupport

@Suite struct TCPTableCodecTests {
    private static func request(_ key: String) -> TableRequest {
        TableRequest(dialect: nil, key: Array(key.utf8))
    }

    @Test func `requests are complete, however the octets arrive`() throws {
        let pairs: [(String, [TableRequest])] = [
            ("get example.com\n", [Self.request("example.com")]),
            ("get b%C3%BCcher.test\n", [Self.request("bücher.test")]),
            ("get b%c3%bccher.test\n", [Self.request("bücher.test")]),
            ("get [mx.example.com]:25\n", [Self.request("[mx.example.com]:25")]),
            ("get a%20b%25%0A\n", [Self.request("a b%\n")]),
            ("get example.com\r\n", [Self.request("example.com")]),
            ("get \n", [Self.request("")]),
            ("get a\nget b\n", [Self.request("a"), Self.request("b")]),
        ]
        try ByteToMessageDecoderVerifier.verifyDecoder(
            inputOutputPairs: pairs.map { (ByteBuffer(string: $0.0), $0.1) },
            decoderFactory: { Feed(TCPTableDecoder()) })
    }

    @Test(arguments: [
        "\n", "get\n", "GET a\n", "put a b\n", "get a b\n", "get %\n", "get %4\n", "get %zz\n", "get a%2\n",
        "get \u{0}\n",
        "get b\u{fc}cher\n", "3:x a,\n", " get a\n", "get a\u{1b}[0m\n",
    ])
    func `anything else is malformed`(input: String) {
        #expect(throws: MalformedRequestError.self) { try Self.decodeAll(input) }
    }

    @Test func `a line without an end is an error at the limit`() throws {
        #expect(try Self.decodeAll("get " + String(repeating: "k", count: 9_996)).isEmpty)
        #expect(throws: MalformedRequestError.tooLong(limit: 10_000)) {
            try Self.decodeAll("get " + String(repeating: "k", count: 9_997))
        }
        #expect(try Self.decodeAll("get " + String(repeating: "k", count: 9_996) + "\n").count == 1)
    }

    @Test func `replies are quoted lines`() throws {
        let entry = try TableReply.sample(mx: ["mx1.example.com", "*.example.net"])
        #expect(CheckedReply.tcpTable(.notFound) == "500 NOTFOUND\n")
        #expect(
            CheckedReply.tcpTable(entry) == "200 secure%20match=mx1.example.com:.example.net%20servername=hostname\n")
        #expect(CheckedReply.tcpTable(entry, in: .legacy) == "200 secure%20match=mx1.example.com:.example.net\n")
        #expect(CheckedReply.tcpTable(.temporary(TemporaryReason("100 % sure"))) == "400 100%20%25%20sure\n")
        #expect(CheckedReply.tcpTable(.refused(TemporaryReason("why"))) == "400 why\n")
    }

    @Test func `a line of 4,095 octets is sent, a longer one becomes a temporary error`() throws {
        // "200 secure%20match=" and "%20servername=hostname" take 41 octets of them.
        let names = try SocketmapCodecTests.names(octets: 4_095 - 41)
        let fits = CheckedReply.tcpTable(try TableReply.sample(mx: names))
        #expect(fits.utf8.count == 4_096)
        #expect(fits.hasPrefix("200 secure%20match="))
        let tooLong = CheckedReply.tcpTable(
            try TableReply.sample(mx: names.dropLast() + ["a" + names[names.count - 1]]))
        #expect(tooLong.hasPrefix("400 policy%20of%20example.com%20lists%20more%20mx"))
    }

    private static func decodeAll(_ input: String) throws -> [TableRequest] {
        var decoder = TCPTableDecoder()
        var buffer = ByteBuffer(string: input)
        var requests: [TableRequest] = []
        while let request = try decoder.decode(buffer: &buffer) { requests.append(request) }
        return requests
    }
}
