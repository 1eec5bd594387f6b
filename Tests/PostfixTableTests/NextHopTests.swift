import MTASTS
import PostfixTable
import Testing
import TestSupport

@Suite struct NextHopTests {
    private let services = ServiceTable(["smtp-alt": 2526]).merged(with: .wellKnown)

    @Test(
        arguments: [
            ("example.com", "example.com", 25, false),
            ("EXAMPLE.Com", "example.com", 25, false),
            ("example.com.", "example.com", 25, false),
            ("bücher.example", "xn--bcher-kva.example", 25, false),
            ("BÜCHER.Example.", "xn--bcher-kva.example", 25, false),
            ("bücher.example。", "xn--bcher-kva.example", 25, false),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example", 25, false),
            ("straße.de", "xn--strae-oqa.de", 25, false),
            ("relay.example:587", "relay.example", 587, false),
            ("[relay.example]", "relay.example", 25, true),
            ("[Relay.Example]:2525", "relay.example", 2525, true),
            ("[bücher.example]:submission", "xn--bcher-kva.example", 587, true),
            ("relay.example:smtp", "relay.example", 25, false),
            ("[relay.example]:smtp-alt", "relay.example", 2526, true),
            ("relay.example:unheard-of", "relay.example", nil, false),
            ("[relay.example]:SMTP", "relay.example", nil, true),
        ] as [(String, String, UInt16?, Bool)])
    func `STS-3.4-a STS-3.4-b STS-3.4-g a key names a domain, a port, and whether it is a host`(
        key: String, name: String, port: UInt16?, isHost: Bool
    ) throws {
        let expected = NextHop(domain: try domain(name), port: port, isHost: isHost)
        #expect(NextHop(key: Array(key.utf8), services: services) == expected)
    }

    @Test(arguments: [
        // STS-3.4-e: the parents that Postfix asks for after "not found".
        "", ".", ".example.com", ".com",
        // STS-3.4-c: literals.
        "192.0.2.1", "[192.0.2.1]", "[192.0.2.1]:25", "192.0.2.1:25", "[IPv6:2001:db8::1]", "[2001:db8::1]:25",
        "2001:db8::1", "unix:/run/socket", "/run/socket",
        // Single labels, and keys that are not host names.
        "localhost", "com", "com.", "[localhost]:25", "under_score.test", "-a.example", "a-.example", "a..example",
        "example.com..", "a b.example", "a\u{0}.example", "ex%61mple.com", "*.example.com", "user@example.com",
        "example.com:", "example.com:0", "example.com:65536", "example.com:25:25", "example.com:a_b", "[example.com",
        "example.com]", "[example.com]x", "[]", "[]:25", "[[example.com]]", "\u{fffd}.example", "ü",
        String(repeating: "a", count: 64) + ".example", String(repeating: "ü", count: 64) + ".example",
    ])
    func `IDN-b a key that can have no policy is no next-hop`(key: String) {
        #expect(NextHop(key: Array(key.utf8), services: services) == nil)
    }

    @Test func `octets that are not UTF-8 are no next-hop`() {
        #expect(NextHop(key: [0x62, 0xfc, 0x2e, 0x64, 0x65], services: services) == nil)
        #expect(NextHop(key: [0xff, 0xfe], services: services) == nil)
        #expect(NextHop(key: Array(repeating: 0xc3, count: 9_000), services: services) == nil)
    }

    @Test func `IDN-c a name is as long as its record's name may be, and no longer`() {
        let label = String(repeating: "a", count: 49)
        let fits = Array(repeating: label, count: 4).joined(separator: ".") + "." + String(repeating: "b", count: 44)
        #expect(fits.utf8.count == 244)
        #expect(NextHop(key: Array(fits.utf8), services: services) != nil)
        #expect(NextHop(key: Array((fits + "b").utf8), services: services) == nil)
        #expect(NextHop(key: Array(repeating: UInt8(ascii: "a"), count: 10_000), services: services) == nil)
    }
}
