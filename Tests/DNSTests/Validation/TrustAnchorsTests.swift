import Discovery
import Foundation
import Testing

@testable import DNSClient
@testable import UnboundDNS

extension SignedZoneTests {
    @Suite(.timeLimit(.minutes(5)))
    struct TrustAnchorsTests {
        private static let digest = "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"
        private static let ds = ". IN DS 20326 8 2 \(digest)"
        private static let key =
            ". IN DNSKEY 257 3 8 AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7Hrx="

        private func records(_ text: String) throws -> [String] { try TrustAnchors(text: text).records }

        @Test(arguments: [
            ds, ".\tIN\tDS\t20326 8 2 \(digest)\r", ". 172800 IN DS 20326 8 2 \(digest)", ". DS 20326 8 2 \(digest)",
            ". in 3600 ds 20326 8 2 \(digest.prefix(30)) \(digest.dropFirst(30)) ; root",
            "; a comment\n\n. IN DS (20326 8 2\n  \(digest.prefix(30)) ; half\n  \(digest.dropFirst(30)) )\n",
        ])
        func `a DS record is read as dig, keymgr and dns-root-data write it`(text: String) throws {
            #expect(try records(text) == [Self.ds])
        }

        @Test func `a file of RFC 5011 gives the keys that are valid or missing`() throws {
            let states = ["1 [ ADDPEND ]", "2 [  VALID  ]", "3 [ MISSING ]", "4 [ REVOKED ]", "5 [ REMOVED ]"]
            let lines = states.enumerated().map { number, state in
                ".\t172800\tIN\tDNSKEY\t257 3 8 key\(number) ;{id = 20326 (ksk), size = 2048b} ;;state=\(state) ;;count=0"
            }
            let head = "; autotrust trust anchor file\n;;id: . 1\n;;last_queried: 1700000000\n"
            #expect(
                try records(head + lines.joined(separator: "\n"))
                    == [". IN DNSKEY 257 3 8 key1", ". IN DNSKEY 257 3 8 key2"])
        }

        @Test func `several zones may have anchors; the final dot may be missing`() throws {
            #expect(
                try records("\(Self.ds)\n\(Self.key)\nExample.test DS 1 13 2 \(Self.digest)")
                    == [Self.ds, Self.key, "example.test. IN DS 1 13 2 \(Self.digest)"])
        }

        @Test(arguments: ["", "\n\n", "; only a comment\n"])
        func `a file without a record is empty`(text: String) {
            #expect(throws: TrustAnchorError(path: "", cause: .empty)) { try TrustAnchors(text: text) }
        }

        @Test(arguments: [
            (". IN NS a.root-servers.net.", "expected a record of type DS or DNSKEY in class IN"),
            ("trusted-keys {", "expected a record of type DS or DNSKEY in class IN"),
            (". CH DS 1 8 2 \(digest)", "expected a record of type DS or DNSKEY in class IN"),
            (". DS 20326 8 \(digest)", "expected three numbers and data after DS"),
            (". DS 20326 8 2 zz", "expected a digest in hexadecimal digits"),
            (". DNSKEY 257 4 8 AwEAAaz", "expected protocol 3 in a DNSKEY"),
            (". DNSKEY 257 3 8 AwE\"\ninclude:", "expected a key in base64"),
            ("a\"b. DS 20326 8 2 \(digest)", "expected a record that begins with a name"),
            (". DS ( 20326 8 2 \(digest)", "unclosed parenthesis"),
        ])
        func `a record that cannot be read is refused with its line`(text: String, reason: String) {
            #expect(throws: TrustAnchorError(path: "", cause: .malformed(line: 2, reason: reason))) {
                try TrustAnchors(text: ";\n" + text)
            }
        }

        /// libunbound would ignore these and treat everything as insecure.
        @Test(arguments: [
            (". DS 20326 3 2 \(digest)", "algorithm 3"), (". DS 20326 8 3 \(digest)", "digest type 3"),
            (". DS 20326 8 2 abcd", "a digest of 2 octets, type 2 has 32"), (". DNSKEY 385 3 8 AwEA", "a revoked key"),
            (". DNSKEY 1 3 8 AwEA", "not a zone key"), (". DNSKEY 257 3 1 AwEA", "algorithm 1"),
            (". DNSKEY 257 3 8 AwEA ;;state=1 [ ADDPEND ]", "a key in state 1 of RFC 5011"),
        ])
        func `a file with unusable anchors only is refused`(text: String, what: String) throws {
            #expect(throws: TrustAnchorError(path: "", cause: .unusable("line 1: \(what)"))) {
                try TrustAnchors(text: text)
            }
            #expect(try records(text + "\n" + Self.ds) == [Self.ds])
        }

        @Test func `a missing file and a directory are errors with advice`() throws {
            let transport = try transport(ports: [53])
            for (path, code, text) in [
                ("/nowhere/root.key", ENOENT, "No such file or directory"), ("/tmp", EISDIR, "Is a directory"),
            ] {
                let failure = #expect(throws: UnboundSetupError.self) {
                    try UnboundValidator(transport, trustAnchorFile: path)
                }
                #expect(failure == .trustAnchor(TrustAnchorError(path: path, cause: .unreadable(code: code))))
                #expect(
                    failure?.description == "\(path): \(text); install dns-root-data, "
                        + "or set dns.trust-anchor-file to a file of DS or DNSKEY records")
            }
        }

        @Test func `an empty file is refused by its name; a good one is read and left alone`() async throws {
            let knot = try SignedZones.knot()
            let path = FileManager.default.temporaryDirectory.appendingPathComponent("anchor-\(UUID().uuidString)").path
            defer { try? FileManager.default.removeItem(atPath: path) }
            let transport = try transport(ports: [knot.port])
            try "; nothing\n".write(toFile: path, atomically: false, encoding: .utf8)
            #expect(throws: UnboundSetupError.trustAnchor(TrustAnchorError(path: path, cause: .empty))) {
                try UnboundValidator(transport, trustAnchorFile: path)
            }
            let text = knot.delegationSigners[".", default: []].joined(separator: "\n") + "\n"
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            let validator = try UnboundValidator(transport, trustAnchorFile: path)
            #expect(try await validator.ask("there.secure.test").isSecure)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
        }
    }
}

@Suite struct UnboundSetupErrorTests {
    @Test func `a missing descriptor is temporary, unlike an error of the configuration or the library`() {
        #expect(UnboundSetupError.library(step: "descriptors", reason: "Too many open files").isTemporary)
        #expect(UnboundSetupError.transport(.system("Too many open files")).isTemporary)
        let lasting: [UnboundSetupError] = [
            .library(step: "configuration", reason: "syntax error"), .transport(.noServers),
            .trustAnchor(TrustAnchorError(path: "/none", cause: .empty)),
        ]
        #expect(lasting.allSatisfy { !$0.isTemporary })
    }
}
