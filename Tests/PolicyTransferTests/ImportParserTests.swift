import PolicyCaching
import TestSupport
import Testing

@testable import MTASTS
@testable import PolicyTransfer

@Suite struct ImportParserTests {
    private static let blank = Array(repeating: UInt8(ascii: " "), count: TransferFormat.maximumLine)

    @Test(
        arguments: [
            ("hello", .notJSON), (#"{"domain":"example.com""#, .notJSON), ("{} {}", .notJSON),
            ("{'domain':1}", .notJSON),
            (line() + ",", .notJSON), (line(id: #""\x""#), .notJSON), (line(policy: #""\ud800""#), .notJSON),
            (String(repeating: "[", count: 100_000), .notJSON), ("[]", .notObject), ("[\(line())]", .notObject),
            ("7", .notObject), ("null", .notObject), (#""text""#, .notObject), ("{}", .missing(field: "domain")),
            (line(domain: nil), .missing(field: "domain")), (line(id: nil), .missing(field: "id")),
            (line(fetchedAt: nil), .missing(field: "fetched-at")), (line(policy: nil), .noText),
            (line(policy: "null"), .noText), (line(base64: #""""#), .twoTexts),
            (line(domain: "1"), .wrongType(field: "domain", expected: "a string")),
            (line(id: "20261101"), .wrongType(field: "id", expected: "a string")),
            (line(id: "null"), .wrongType(field: "id", expected: "a string")),
            (line(fetchedAt: "1795244400123"), .wrongType(field: "fetched-at", expected: "a string")),
            (line(lastLookupAt: "true"), .wrongType(field: "asked-at", expected: "a string")),
            (line(policy: #"["version: STSv1"]"#), .wrongType(field: "policy", expected: "a string")),
            (line(policy: nil, base64: "{}"), .wrongType(field: "policy-base64", expected: "a string")),
            (line(domain: #""""#), .badDomain("")), (line(domain: #""localhost""#), .badDomain("localhost")),
            (line(domain: #""192.0.2.1""#), .badDomain("192.0.2.1")),
            (line(domain: #""a_b.com""#), .badDomain("a_b.com")),
            (line(domain: #""example.com.""#), .badDomain("example.com.")),
            (line(domain: #""straße.de""#), .badDomain(#"stra\xC3\x9Fe.de"#)),
            (line(domain: #""example.com\n\u001b[2J""#), .badDomain(#"example.com\x0A\x1B[2J"#)),
            (line(id: #""""#), .badID("")), (line(id: #""a-b""#), .badID("a-b")),
            (line(id: #""1\u0000\r\n2""#), .badID(#"1\x00\x0D\x0A2"#)),
            (line(id: #""123456789012345678901234567890123""#), .badID("123456789012345678901234567890123")),
            (line(fetchedAt: #""yesterday""#), .badTime(field: "fetched-at", "yesterday")),
            (
                line(fetchedAt: #""1970-01-01T00:00:00.000Z""#),
                .badTime(field: "fetched-at", "1970-01-01T00:00:00.000Z")
            ),
            (line(lastLookupAt: #""""#), .badTime(field: "asked-at", "")),
            (line(lastLookupAt: #""99999-01-01T00:00:00Z""#), .badTime(field: "asked-at", "99999-01-01T00:00:00Z")),
            (line(policy: nil, base64: #""????""#), .badBase64), (line(policy: nil, base64: #""YQ""#), .badBase64),
            (line(policy: nil, base64: #""YQ==\n""#), .badBase64),
            (line(policy: #""""#), .invalid(PolicyError(line: nil, reason: .missingVersion))),
            (line(policy: nil, base64: #""/w==""#), .invalid(PolicyError(line: 1, reason: .missingColon))),
            (line(policy: #""version: STSv2""#), .invalid(PolicyError(line: 1, reason: .unsupportedVersion))),
            (line(policy: json(policyText(maxAge: 0))), .zeroMaxAge),
            (line(policy: "\"" + String(repeating: "x", count: 65_537) + "\""), .textTooLong(octets: 65_537)),
            (line() + "\0", .nul), (#"{"policies":"1"}"#, .wrongType(field: "policies", expected: "a whole number")),
            (line(other: "\"" + String(repeating: "x", count: TransferFormat.maximumLine) + "\""), .tooLong),
        ] as [(String, LineError)])
    func `a bad line is refused with its number and reason, and the other lines are imported`(
        bad: String, error: LineError
    ) async throws {
        let store = try await openStore()
        let octets = file(line(domain: #""a.example""#), bad, line(domain: #""b.example""#))
        let result = await runImport(of: octets, into: store, chunkSize: 1_000)
        #expect(result.refusedLines == [RefusedLine(number: 3, error: error)])
        #expect(result.error == nil)
        #expect(result.summary == ImportSummary(imported: 2, refused: 1))
        #expect(store[try domain("a.example")] != nil)
        #expect(store[try domain("b.example")] != nil)
        let message = RefusedLine(number: 3, error: error).description
        #expect(message.hasPrefix("line 3: "))
        #expect(message.utf8.allSatisfy { (0x20...0x7E).contains($0) || $0 >= 0x80 }, "\(message)")
        #expect(message.utf8.count < 450)
    }

    @Test(
        arguments: [
            ("hello", .header(line: 1, .notJSON)), ("[]", .header(line: 1, .notObject)),
            (line(), .header(line: 1, .missing(field: "format"))), ("\0", .header(line: 1, .nul)),
            (#"{"format":"sts-bridge-policies"}"#, .header(line: 1, .missing(field: "version"))),
            (#"{"format":1}"#, .header(line: 1, .wrongType(field: "format", expected: "a string"))),
            (#"{"format":"other"}"#, .otherFormat("other")), (#"{"format":"\u001b["}"#, .otherFormat(#"\x1B["#)),
            (#"{"format":"sts-bridge-policies","version":2}"#, .otherVersion(2)),
            (#"{"format":"sts-bridge-policies","version":0}"#, .otherVersion(0)),
            (
                #"{"format":"sts-bridge-policies","version":"1"}"#,
                .header(line: 1, .wrongType(field: "version", expected: "a whole number"))
            ),
            (#"{"format":"sts-bridge-policies","version":1}"#, .header(line: 1, .missing(field: "exported-at"))),
            (
                #"{"exported-at":"now","format":"sts-bridge-policies","version":1}"#,
                .header(line: 1, .badTime(field: "exported-at", "now"))
            ),
            (String(decoding: blank, as: UTF8.self) + header, .header(line: 1, .tooLong)),
            (#"{"policies":0}"#, .header(line: 1, .missing(field: "format"))),
        ] as [(String, ImportError)])
    func `without a known header, nothing is imported`(first: String, error: ImportError) async throws {
        let store = try await openStore()
        let octets = Array((first + "\n" + line() + "\n" + #"{"policies":1}"#).utf8)
        let result = await runImport(of: octets, into: store)
        #expect(result.error == error)
        #expect(result.summary == ImportSummary())
        #expect(store.commits.isEmpty)
    }

    @Test(arguments: ["", "\n", " \r\n\n"])
    func `an empty file is refused`(text: String) async throws {
        #expect(await runImport(of: Array(text.utf8), into: try await openStore()).error == .empty)
    }

    @Test func `blank lines, CRLF, unknown keys, another order of keys and a missing last LF are accepted`()
        async throws
    {
        let store = try await openStore()
        let first = #"{"version":1,"by":{"name":["x"]},"format":"sts-bridge-policies","exported-at":"\#(nowText)"}"#
        let text = "\n\(first)\r\n\r\n \(line(other: #"{"a":[1,null]}"#)) \r\n\n" + #"{"new":1,"policies":1}"#
        let result = await runImport(of: Array(text.utf8), into: store, chunkSize: 1)
        #expect(result.error == nil)
        #expect(result.refusedLines == [])
        #expect(result.summary == ImportSummary(imported: 1))
    }

    @Test func `a line with both a domain and a number of policies is a policy`() async throws {
        let text = #"{"policies":9,"# + line().dropFirst()
        let result = await runImport(of: file(text), into: try await openStore())
        #expect(result.summary == ImportSummary(imported: 1))
    }

    @Test func `a wrong count in the trailer and a line after the trailer are errors`() async throws {
        let lines = [header, line(), #"{"policies":2}"#]
        let miscounted = await runImport(of: Array(lines.joined(separator: "\n").utf8), into: try await openStore())
        #expect(miscounted.error == .miscounted(expected: 2, found: 1))
        #expect(miscounted.summary == ImportSummary(imported: 1))
        let store = try await openStore()
        let twice = await runImport(of: file(line()) + file(line(domain: #""b.example""#)), into: store)
        #expect(twice.error == .lineAfterTrailer(line: 4))
        #expect(twice.summary == ImportSummary(imported: 1))
        #expect(store[try domain("b.example")] == nil)
    }

    @Test func `a file truncated at any octet is detected, and no policy is imported in part`() async throws {
        let whole = try await openStore(
            try StoredPolicy.sample("a.example"),
            try StoredPolicy.sample("b.example", text: policyText(mode: "none", mx: [])),
            try StoredPolicy.sample("c.example", text: policyText(mode: "testing") + "\r\nx: \u{2028}\"\\\n"))
        let octets = try await runExport(of: whole).sink.octets
        for length in 0...octets.count {
            let store = try await openStore()
            let cut = octets.prefix(length)
            let result = await runImport(of: Array(cut), into: store, chunkSize: 100)
            let complete = length >= octets.count - 1
            let lines = cut.split(separator: 0x0A, omittingEmptySubsequences: false)
            #expect((result.error == nil) == complete)
            if !complete, length >= header.utf8.count {
                guard case .truncated? = result.error else {
                    Issue.record("\(length): \(String(describing: result.error))")
                    return
                }
            }
            #expect(result.summary.imported <= min(3, max(0, lines.count - 1)))
            #expect(result.summary.imported >= min(3, max(0, lines.count - 2)))
            for name in ["a.example", "b.example", "c.example"] {
                guard let policy = store[try domain(name)] else { continue }
                #expect(policy == whole[try domain(name)])
            }
        }
    }
}
