import Foundation
import PolicyCaching
import TestSupport
import Testing

@testable import PolicyTransfer

@Suite struct TransferLineTests {
    private func policyLine(_ text: [UInt8]) throws -> PolicyLine {
        PolicyLine(
            domain: try domain("example.com"), id: try recordID("1"), fetchedAt: now, lastLookupAt: now,
            clockBehindSince: nil,
            text: text)
    }

    @Test(arguments: [
        Array("version: STSv1\nmode: none\n".utf8), Array("a\r\nb\r\n".utf8), [], [0], [0x7F, 0x1B, 0x08, 0x0C, 0x0B],
        Array("\"quoted\" \\ back / slash \u{2028}\u{2029}\u{85}\u{FEFF}".utf8), [0xEF, 0xBB, 0xBF], [0xC3, 0x28],
        [0xED, 0xA0, 0x80], [0xFF, 0xFE, 0x00], Array("e\u{301} is not \u{E9}, \u{1F4E7}".utf8),
        Array(0...255), Array(repeating: 0, count: 65_536), Array(repeating: 0xFF, count: 65_536),
    ])
    func `every text survives, octet by octet, on one line that an import accepts`(text: [UInt8]) throws {
        let line = try TransferJSON.encode(try policyLine(text))
        let fields = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
        #expect((fields["policy"] == nil) == (String(validating: text, as: UTF8.self) == nil))
        #expect((fields["policy"] == nil) != (fields["policy-base64"] == nil))
        #expect(line.last == 0x0A)
        #expect(line.dropLast().allSatisfy { $0 >= 0x20 })
        #expect(line.count <= TransferFormat.maximumLine)
        #expect(try TransferJSON.decode(PolicyLine.self, from: line) == policyLine(text))
    }

    @Test func `keys are sorted, and there are no blanks`() throws {
        let line = String(decoding: try TransferJSON.encode(try policyLine(Array("a/b\n".utf8))), as: UTF8.self)
        #expect(
            line == #"{"asked-at":"\#(nowText)","domain":"example.com","fetched-at":"\#(nowText)","id":"1","#
                + #""policy":"a/b\n"}"# + "\n")
        #expect(try TransferJSON.encode(HeaderLine(exportedAt: now)) == Array((header + "\n").utf8))
        #expect(try TransferJSON.encode(TrailerLine(policies: 3)) == Array("{\"policies\":3}\n".utf8))
    }

    @Test func `the first value of a key that occurs twice counts`() throws {
        let line = Array(#"{"policies":1,"policies":2}"#.utf8)
        #expect(try TransferJSON.decode(TrailerLine.self, from: line).policies == 1)
    }
}
