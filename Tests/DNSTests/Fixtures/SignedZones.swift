import Discovery
import Testing

@testable import DNSClient
@testable import UnboundDNS

/// Its suites run one after the other: each test signs its own zones, which all at once is more than the clock of
/// libunbound's retries bears.
@Suite(.serialized) enum SignedZoneTests {}

/// A small signed Internet: a root that knotd signs, and zones below it. One knotd serves all of them; to a forwarding
/// libunbound it is as good as a recursive server, and no server has a say in what is secure.
enum SignedZones {
    static func soa(_ serial: Int = 1) -> String {
        "@ 300 SOA ns root \(serial) 3600 600 86400 77\n@ 300 NS ns\nns 300 A 127.0.0.1\n"
    }

    static let names = ["secure.test", "three.test", "insecure.test", "bogus.test", "unsigned.secure.test"]

    static let root =
        soa()
        + names.filter { !$0.contains("secure.test") || $0.split(separator: ".").count == 2 }
        .map { "\($0) 300 NS ns.\($0)\nns.\($0) 300 A 127.0.0.1\n" }.joined() + """
            @DS secure.test
            @DS three.test
            bogus.test 300 DS 4711 13 2 \("ab".repeated(32))

            """

    static let secure =
        soa() + """
            @ 300 MX 10 mx1.secure.test.
            @ 300 MX 20 mx2.secure.test.
            @ 300 TXT "here"
            null 300 MX 0 .
            there 300 TXT "here"
            mx1 120 A 192.0.2.1
            mx1 120 AAAA 2001:db8::1
            _25._tcp.mx1 90 TLSA 3 1 1 \("0d".repeated(32))
            alias 300 CNAME there
            away 300 CNAME there.insecure.test.
            back 300 CNAME back.insecure.test.
            broken 300 CNAME there.bogus.test.
            beyond 300 CNAME nowhere.three.test.
            loop 300 CNAME loop
            unsigned 300 NS ns.unsigned
            ns.unsigned 300 A 127.0.0.1
            *.wild 60 TXT "here"

            """ + (0..<40).map { "big 60 TXT \"a\($0 + 10)\" \(text)\n" }.joined()
        + (1...1_000).map { "many 60 MX 10 mx\($0)\n" }.joined()

    /// Four strings, 1,000 octets in the message.
    private static let text = String(repeating: "\"" + "x".repeated(249) + "\" ", count: 4)

    static let three = soa() + "there 300 TXT \"here\"\nalias 300 CNAME there.secure.test.\n"
    static let insecure =
        soa() + """
            there 300 TXT "here"
            back 300 CNAME there.secure.test.
            long 1000000 TXT "here"
            @ 300 MX 10 mx

            """
    static let bogus = soa() + "there 300 TXT \"here\"\n@ 300 MX 10 mx\n"

    static var zones: [String: String] {
        [
            ".": root, "secure.test": secure, "three.test": three, "insecure.test": insecure, "bogus.test": bogus,
            "unsigned.secure.test": insecure,
        ]
    }

    static func knot(signed: Bool = true) throws -> KnotServer {
        try KnotServer(
            zones: zones,
            signing: signed ? [".": .nsec, "secure.test": .nsec, "three.test": .nsec3, "bogus.test": .nsec] : [:])
    }
}

extension KnotServer {
    /// Its root's keys as anchors.
    var anchors: TrustAnchors {
        get throws { try TrustAnchors(text: delegationSigners[".", default: []].joined(separator: "\n")) }
    }

    func validator(port: UInt16? = nil, timeout: Duration = .seconds(20)) throws -> UnboundValidator {
        try UnboundValidator(
            transport(ports: [port ?? self.port], host: host, timeout: timeout), anchors: try anchors)
    }
}

extension ValidatingResolver {
    func ask(_ name: String, type: RecordType = .txt) async throws(DNSError) -> ValidatedAnswer {
        try await resolveValidated(DNSQuestion(name: name, type: type))
    }

    /// The failure; an answer is none.
    func failure(_ name: String, type: RecordType = .txt) async -> DNSError? {
        do throws(DNSError) {
            _ = try await ask(name, type: type)
            return nil
        } catch {
            return error
        }
    }

    /// libunbound's reason for bogus; `nil` for all else.
    func bogusReason(_ name: String, type: RecordType = .txt) async -> String? {
        guard case .bogus(let why) = await failure(name, type: type)?.cause else { return nil }
        return why
    }
}
