import Testing
import TextFormats

@Suite struct UntrustedTextTests {
    @Test func `the last line of defence does not escape twice`() {
        let escaped = UntrustedText.escaped("b\u{fc}\n\\")
        #expect(escaped == #"b\xC3\xBC\x0A\\"#)
        #expect(UntrustedText.printable(escaped, limit: 100) == escaped)
        #expect(UntrustedText.printable("a\u{1b}[31m\n", limit: 100) == #"a\x1B[31m\x0A"#)
        #expect(UntrustedText.printable("abcdef", limit: 3) == "abc...")
    }

    @Test(arguments: [
        ("plain text, \"quoted\" = {1}", "plain text, \"quoted\" = {1}"),
        ("a\\b", #"a\\b"#), ("\r\n\t\0", #"\x0D\x0A\x09\x00"#), ("\u{1B}[2J\u{7F}", #"\x1B[2J\x7F"#),
        ("é", #"\xC3\xA9"#), ("\u{202E}", #"\xE2\x80\xAE"#), ("", ""),
    ])
    func `what is not printable ASCII is escaped`(text: String, escaped: String) {
        #expect(UntrustedText.escaped(text) == escaped)
        #expect(UntrustedText.escaped(Array(text.utf8)) == escaped)
    }

    @Test func `every octet becomes printable ASCII, and no two the same`() {
        let all = (UInt8.min...UInt8.max).map { UntrustedText.escaped([$0]) }
        #expect(Set(all).count == 256)
        #expect(all.joined().utf8.allSatisfy { (0x20...0x7E).contains($0) })
    }

    @Test func `the text is cut at the limit, never within an escape`() {
        #expect(UntrustedText.escaped("abcdef", limit: 6) == "abcdef")
        #expect(UntrustedText.escaped("abcdefg", limit: 6) == "abcdef...")
        #expect(UntrustedText.escaped("abcd\0", limit: 6) == "abcd...")
        #expect(UntrustedText.escaped("ab\0", limit: 6) == #"ab\x00"#)
        #expect(UntrustedText.escaped("a", limit: 0) == "...")
    }
}
