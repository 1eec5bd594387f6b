import MTASTS
import NIOCore
import NIOTestUtils
import PostfixTable
import Testing
import TestSupport

@Suite struct SocketmapCodecTests {
    private static func request(_ dialect: Dialect?, key: String) -> TableRequest {
        TableRequest(dialect: dialect, key: Array(key.utf8))
    }

    @Test func `requests are complete, however the octets arrive`() throws {
        let pairs: [(String, [TableRequest])] = [
            ("19:postfix example.com,", [Self.request(.classic, key: "example.com")]),
            ("17:QUERY example.com,", [Self.request(.classic, key: "example.com")]),
            ("19:classic EXAMPLE.com,", [Self.request(.classic, key: "EXAMPLE.com")]),
            ("18:legacy example.com,", [Self.request(.legacy, key: "example.com")]),
            ("15:sts example.com,", [Self.request(.sts, key: "example.com")]),
            ("27:QUERYwithTLSRPT example.com,", [Self.request(.sts, key: "example.com")]),
            ("17:other example.com,", [Self.request(nil, key: "example.com")]),
            ("8:postfix ,", [Self.request(.classic, key: "")]),
            ("00000000010:x a b,c:,d,", [Self.request(nil, key: "a b,c:,d")]),
            ("18:QUERY bücher.test,", [Self.request(.classic, key: "bücher.test")]),
            ("3:x a,3:x b,", [Self.request(nil, key: "a"), Self.request(nil, key: "b")]),
            ("5:x \u{0}\u{1}\u{7f},", [Self.request(nil, key: "\u{0}\u{1}\u{7f}")]),
        ]
        try ByteToMessageDecoderVerifier.verifyDecoder(
            inputOutputPairs: pairs.map { (ByteBuffer(string: $0.0), $0.1) },
            decoderFactory: { Feed(SocketmapDecoder()) })
    }

    @Test(arguments: [
        "x", ":a b,", "-1:a b,", "+1:a b,", " 3:a b,", "3 :a b,", "3:a b;", "3:abc,", "0:,", "3;a b,", "\u{0}",
        "0x3:a b,",
        "GET / HTTP/1.1\r\n", "get example.com\n", "000000000000", "\r\n\r\n",
    ])
    func `anything but a netstring with a name, a space and a key is malformed`(input: String) {
        #expect(throws: MalformedRequestError.self) { try Self.decodeAll(input) }
    }

    @Test(arguments: ["10001:", "1048576:", "99999999999", "10002:x " + String(repeating: "k", count: 10_000) + ","])
    func `a request over the limit is refused by its header, before its payload`(input: String) {
        #expect(throws: MalformedRequestError.tooLong(limit: 10_000)) { try Self.decodeAll(input) }
    }

    @Test func `a request at the limit is accepted`() throws {
        let key = String(repeating: "k", count: 9_998)
        #expect(try Self.decodeAll("10000:x \(key),") == [Self.request(nil, key: key)])
    }

    @Test func `replies are netstrings`() throws {
        let entry = try TableReply.sample(mx: ["mx1.example.com", "*.example.net"])
        #expect(CheckedReply.socketmap(.notFound) == "9:NOTFOUND ,")
        #expect(
            CheckedReply.socketmap(entry) == "64:OK secure match=mx1.example.com:.example.net servername=hostname,")
        #expect(CheckedReply.socketmap(entry, in: .legacy) == "44:OK secure match=mx1.example.com:.example.net,")
        #expect(CheckedReply.socketmap(.temporary(TemporaryReason("why"))) == "8:TEMP why,")
        #expect(CheckedReply.socketmap(.refused(TemporaryReason("why"))) == "8:PERM why,")
    }

    @Test func `a reply of 100,000 octets is sent, a longer one becomes a temporary error`() throws {
        // "OK secure match=" and " servername=hostname" take 36 octets of them.
        let names = try Self.names(octets: 100_000 - 36)
        let exact = try TableReply.sample(mx: names)
        let fits = CheckedReply.socketmap(exact)
        #expect(fits.hasPrefix("100000:OK secure match="))
        #expect(fits.utf8.count == "100000:".utf8.count + 100_000 + 1)
        let tooLong = try TableReply.sample(mx: names.dropLast() + ["a" + names[names.count - 1]])
        #expect(
            CheckedReply.socketmap(tooLong)
                == "91:TEMP policy of example.com lists more mx than fit into the 100000 octets that Postfix takes,")
    }

    /// Different names that take so many octets with a colon between each two.
    static func names(octets: Int) throws -> [String] {
        let name = { (number: Int) in "host-\(10_000 + number).test.example" }
        let length = name(0).utf8.count + 1
        let count = octets / length
        let padding = String(repeating: "a", count: octets + 1 - count * length)
        return (0..<count - 1).map(name) + [padding + name(count - 1)]
    }

    private static func decodeAll(_ input: String) throws -> [TableRequest] {
        var decoder = SocketmapDecoder()
        var buffer = ByteBuffer(string: input)
        var requests: [TableRequest] = []
        while let request = try decoder.decode(buffer: &buffer) { requests.append(request) }
        return requests
    }
}
