import MTASTS
import Testing

@Suite struct RecordIDTests {
    @Test(arguments: ["a", "0", "Z", "20240101T000000", String(repeating: "x", count: 32)])
    func `one to 32 letters and digits are an id (STS-3.1-f)`(text: String) {
        #expect(RecordID(text)?.text == text)
    }

    @Test(arguments: ["", String(repeating: "x", count: 33), "a-b", "a b", "a;", "é", "\u{212A}", "\u{660}", "a\n"])
    func `anything else is none (STS-3.1-f)`(text: String) {
        #expect(RecordID(text) == nil)
    }

    @Test func `ids are equal octet for octet and in no other way (STS-3.1-u)`() {
        #expect(RecordID("abc") == RecordID(octets("abc")))
        #expect(RecordID("abc") != RecordID("ABC"))
        #expect(RecordID("1") != RecordID("01"))
    }
}
