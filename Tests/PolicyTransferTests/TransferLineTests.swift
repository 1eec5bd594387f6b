import PolicyService
import TestSupport
import Testing

@testable import PolicyTransfer

@Suite struct TransferLineTests {
    @Test(arguments: [
        Array("version: STSv1\nmode: none\n".utf8), Array("a\r\nb\r\n".utf8), [], [0], [0x7F, 0x1B, 0x08, 0x0C, 0x0B],
        Array("\"quoted\" \\ back / slash \u{2028}\u{2029}\u{85}\u{FEFF}".utf8), [0xEF, 0xBB, 0xBF], [0xC3, 0x28],
        [0xED, 0xA0, 0x80], [0xFF, 0xFE, 0x00], Array("e\u{301} is not \u{E9}, \u{1F4E7}".utf8),
        Array(0...255), Array(repeating: 0, count: 65_536), Array(repeating: 0xFF, count: 65_536),
    ])
    func `every text comes back octet by octet, on one line that an import takes`(text: [UInt8]) throws {
        let fields = TransferFields(try kept("example.com", octets: text), fetchedAt: nowText, askedAt: nowText)
        #expect((fields.policy == nil) == (String(validating: text, as: UTF8.self) == nil))
        #expect((fields.policy == nil) != (fields.policyBase64 == nil))
        let line = try TransferJSON.line(fields)
        #expect(line.last == 0x0A)
        #expect(line.dropLast().allSatisfy { $0 >= 0x20 })
        #expect(line.count <= TransferFormat.maximumLine)
        let read = try TransferJSON.read(TransferFields.self, from: line)
        #expect(try read.text() == text)
    }

    @Test func `keys are sorted, and nothing is pretty`() throws {
        let fields = TransferFields(try kept("example.com", "a/b\n"), fetchedAt: nowText, askedAt: nowText)
        let line = String(decoding: try TransferJSON.line(fields), as: UTF8.self)
        #expect(
            line == #"{"asked-at":"\#(nowText)","domain":"example.com","fetched-at":"\#(nowText)","id":"1","#
                + #""policy":"a/b\n"}"# + "\n")
        #expect(try TransferJSON.line(TransferHeader(exportedAt: nowText)) == Array((header + "\n").utf8))
        #expect(try TransferJSON.line(TransferTrailer(policies: 3)) == Array("{\"policies\":3}\n".utf8))
    }

    @Test func `of a key given twice the first counts`() throws {
        let line = Array(#"{"policies":1,"policies":2}"#.utf8)
        #expect(try TransferJSON.read(TransferTrailer.self, from: line).policies == 1)
    }
}
