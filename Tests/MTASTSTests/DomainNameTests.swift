import MTASTS
import Testing

@Suite struct DomainNameTests {
    @Test(arguments: ["a", "a.b", "1.2.3.4", "a-b.c--d", "xn--bcher-kva.example", "EXAMPLE.Com"])
    func `labels of letters, digits and inner hyphens are a name (STS-3.2-r)`(text: String) {
        #expect(DomainName(text)?.text == text.lowercased())
    }

    @Test(arguments: ["", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "a-.b", "a_b", "a b", "a:25", "ä.b", "a\0"])
    func `anything else is none (STS-3.2-r, STS-3.2-t)`(text: String) {
        #expect(DomainName(text) == nil)
    }

    @Test func `a label has 63 octets at most, a name 253 (STS-3.2-r)`() {
        let label = String(repeating: "a", count: 63)
        #expect(DomainName(label) != nil)
        #expect(DomainName(label + "a") == nil)
        let name = [label, label, label, String(repeating: "a", count: 61)].joined(separator: ".")
        #expect(DomainName(name)?.text.utf8.count == 253)
        #expect(DomainName(name + "a") == nil)
    }

    @Test func `case does not count (STS-4.1-b)`() {
        #expect(DomainName("A.Example") == DomainName("a.eXample"))
    }

    @Test func `a name knows its labels and its kind (STS-3.2-s)`() throws {
        let name = try #require(DomainName("mx.example.com"))
        #expect(name.labels == ["mx", "example", "com"])
        #expect(!name.isSingleLabel && !name.endsInDigits)
        #expect(DomainName("localhost")?.isSingleLabel == true)
        #expect(DomainName("192.0.2.1")?.endsInDigits == true)
        #expect(DomainName("1.2.a3")?.endsInDigits == false)
    }
}
