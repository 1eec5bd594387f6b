import IDNA
import Testing

@Suite struct InternationalDomainNameTests {
    @Test(arguments: [
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.Example", "xn--bcher-kva.example"),
        ("mail.bücher.example", "mail.xn--bcher-kva.example"),
        ("пример.рф", "xn--e1afmkfd.xn--p1ai"),
        // NFD input: u and a combining diaeresis.
        ("bu\u{308}cher.example", "xn--bcher-kva.example"),
        // An ideographic full stop separates labels.
        ("例え。jp", "xn--r8jz45g.jp"),
        ("xn--bcher-kva.bücher.example", "xn--bcher-kva.xn--bcher-kva.example"),
    ])
    func `STS-3.4-g IDN-a U-labels become A-labels`(input: String, expected: String) throws {
        #expect(try InternationalDomainName.toASCII(input) == expected)
    }

    @Test func `straße.de stays a separate domain: the conversion is non-transitional, like that of Postfix`() throws {
        #expect(try InternationalDomainName.toASCII("straße.de") == "xn--strae-oqa.de")
    }

    @Test(arguments: [
        "a\u{0}ü.example", "ü" + String(repeating: "x", count: 2_000), String(repeating: "ü", count: 70) + ".example",
        "\u{FFFD}.example",
    ])
    func `IDN-b a name without an A-label form is an error`(input: String) {
        #expect(throws: InternationalDomainName.ConversionError.self) { try InternationalDomainName.toASCII(input) }
    }
}
