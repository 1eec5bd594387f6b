import Discovery
import Foundation
import Testing

@testable import DNSClient
@testable import UnboundDNS

@Suite struct NameServerTests {
    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1"), ("192.0.2.1@5353", "192.0.2.1@5353"), ("192.0.2.1@53", "192.0.2.1"),
        ("::1", "::1"), ("::1@5353", "::1@5353"), ("[::1]", "::1"), ("[::1]@5353", "::1@5353"),
        ("2001:DB8:0::1", "2001:db8::1"), ("fe80::1%eth0", "fe80::1%eth0"), ("fe80::1%2@5353", "fe80::1%2@5353"),
    ])
    func `a server is read and written`(text: String, written: String) throws {
        let server = try NameServer(text)
        #expect(server.description == written)
        #expect(try NameServer(written) == server)
    }

    @Test(arguments: [
        "", "ns.example.com", "192.0.2", "192.0.2.1:53", "[192.0.2.1]", "[::1", "192.0.2.1%eth0", "fe80::1%",
        "fe80::1%a b", "fe80::1%\"\nserver:", " 192.0.2.1", "@53",
    ])
    func `what is no address is refused`(text: String) {
        #expect(throws: NameServer.ParseError(text: text, expected: .address)) { try NameServer(text) }
    }

    @Test(arguments: ["192.0.2.1@", "192.0.2.1@0", "192.0.2.1@65536", "::1@+53", "::1@dns", "192.0.2.1@53@53"])
    func `what is no port is refused`(text: String) {
        #expect(throws: NameServer.ParseError(text: text, expected: .port)) { try NameServer(text) }
    }

    @Test func `a parse error names what was expected`() {
        let parseError = NameServer.ParseError(text: "ns", expected: .address)
        #expect(
            parseError.description
                == "name server \"ns\": expected an IP address (192.0.2.1, 2001:db8::1, fe80::1%eth0), optionally with @port"
        )
    }

    @Test func `the nameserver lines of resolv.conf are the system's servers`() {
        let text = """
            # made by hand
            ; nameserver 192.0.2.9
            search example.com
            nameserver 192.0.2.1
            nameserver\t2001:db8::1   trailing words
            nameserver 192.0.2.1
            nameserver not-an-address
            nameservers 192.0.2.8
            options edns0
            nameserver fe80::1%eth0
            """
        #expect(
            NameServer.system(resolvConf: text).map(\.description) == ["192.0.2.1", "2001:db8::1", "fe80::1%eth0"])
    }

    @Test(arguments: ["", "search example.com\n", "nameserver\n"])
    func `without nameserver lines it is the local host`(text: String) {
        #expect(NameServer.system(resolvConf: text).map(\.description) == ["127.0.0.1"])
    }

    @Test func `a file is read, a missing one lists nothing, and one that cannot be read is refused with its reason`()
        throws
    {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("resolv-\(UUID().uuidString)").path
        #expect(throws: NameServer.FileError(path: path, code: ENOENT)) { try NameServer.system(path: path) }
        #expect(try NameServer.systemOrLocalHost(path: path).map(\.description) == ["127.0.0.1"])
        #expect(throws: NameServer.FileError.self) { try NameServer.systemOrLocalHost(path: "/proc") }
        #expect(throws: NameServer.FileError.self) { try NameServer.system(path: "/proc") }
        try "nameserver 192.0.2.1\n".write(toFile: path, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(try NameServer.system(path: path).map(\.description) == ["192.0.2.1"])
        #expect(
            NameServer.FileError(path: "/x", code: ENOENT).description
                == "/x: No such file or directory; expected a readable resolv.conf(5), or DNS servers in dns.servers")
        #expect(NameServer.listsNoServers(path: "/nonexistent"))
        #expect(!NameServer.listsNoServers(path: "/proc"))
        #expect(NameServer.listsNoServers(path: "/dev/null"))
    }
}
