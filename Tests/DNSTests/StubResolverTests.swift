import Discovery
import Testing

@testable import DNSClient
@testable import UnboundDNS

/// The answers of a real server are unchanged.
@Suite(.timeLimit(.minutes(5)))
struct StubResolverTests {
    static let soa = "@ 300 SOA ns root 1 3600 600 86400 77\n@ 20 NS ns\nns 300 A 127.0.0.1\n"

    static let example =
        soa + """
            _mta-sts 120 TXT "v=STSv1; " "id=1;"
            long 1000000 TXT "x"
            both 60 A 192.0.2.1
            both 60 A 192.0.2.2
            both 60 AAAA 2001:db8::1
            away 50 CNAME far.other.test.
            quick 500 CNAME swift.other.test.
            gone 10 CNAME nobody.other.test.
            empty 10 CNAME far.other.test.
            self 50 CNAME self
            a.loop 50 CNAME b.loop
            b.loop 50 CNAME a.loop

            """ + chain

    /// `cN` needs N CNAMEs to `c0`.
    static let chain = "c0 60 TXT end\n" + (1...20).map { "c\($0) 60 CNAME c\($0 - 1)\n" }.joined()

    static let other = """
        @ 40 SOA ns root 1 3600 600 86400 900
        @ 300 NS ns
        ns A 127.0.0.1
        far 100 TXT "far"
        swift 5 TXT "swift"
        """

    static func knot() throws -> KnotServer { try KnotServer(zones: ["example.test": example, "other.test": other]) }

    let knot: KnotServer
    let resolver: StubResolver

    init() throws {
        knot = try Self.knot()
        resolver = try DNSTests.resolver(ports: knot.port)
    }

    @Test func `TXT strings come as RDATA, unjoined`() async throws {
        let answer = try await resolver.txt("_mta-sts.example.test")
        #expect(answer.content == .records([rdata("v=STSv1; ", "id=1;")]))
        #expect(answer.timeToLive == 120)
        #expect(answer.aliases == 0)
        #expect(answer.question == DNSQuestion(name: "_mta-sts.example.test", type: .txt))
    }

    @Test func `a name in upper case is the same name`() async throws {
        #expect(try await resolver.txt("_MTA-STS.Example.TEST").content == .records([rdata("v=STSv1; ", "id=1;")]))
        #expect(try await resolver.txt("C2.example.test").aliases == 2)
    }

    @Test func `addresses of both families come as RDATA`() async throws {
        let four = try await resolver.resolve(DNSQuestion(name: "both.example.test", type: .a))
        guard case .records(let records) = four.content else { throw KnotServer.StartError(description: "\(four)") }
        #expect(Set(records) == [[192, 0, 2, 1], [192, 0, 2, 2]])
        let six = try await resolver.resolve(DNSQuestion(name: "both.example.test", type: .aaaa))
        #expect(six.content == .records([[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]]))
    }

    @Test func `a TTL of days is not clamped`() async throws {
        #expect(try await resolver.txt("long.example.test").timeToLive == 1_000_000)
    }

    @Test func `STS-3.1-q an alias into another zone is followed, and the least TTL counts`() async throws {
        let away = try await resolver.txt("away.example.test")
        #expect(away.content == .records([rdata("far")]))
        #expect(away.timeToLive == 50)
        #expect(away.aliases == 1)
        #expect(try await resolver.txt("quick.example.test").timeToLive == 5)
    }

    @Test func `a name that is not there is an answer with the SOA's negative TTL`() async throws {
        let inMinimum = try await resolver.txt("nope.example.test")
        #expect(inMinimum.content == .nameError)
        #expect(inMinimum.timeToLive == 77)
        #expect(try await resolver.txt("nope.other.test").timeToLive == 40)
    }

    @Test func `a type that is not there is another answer with the SOA's negative TTL`() async throws {
        let answer = try await resolver.resolve(DNSQuestion(name: "far.other.test", type: .aaaa))
        #expect(answer.content == .noData)
        #expect(answer.timeToLive == 40)
    }

    @Test func `an alias to nowhere ends as its target does, with the least TTL`() async throws {
        let gone = try await resolver.txt("gone.example.test")
        #expect(gone.content == .nameError)
        #expect(gone.aliases == 1)
        #expect(gone.timeToLive == 10)
        let empty = try await resolver.resolve(DNSQuestion(name: "empty.example.test", type: .a))
        #expect(empty.content == .noData)
        #expect(empty.aliases == 1)
        #expect(empty.timeToLive == 10)
    }

    @Test func `8 aliases in a row are followed`() async throws {
        let answer = try await resolver.txt("c8.example.test")
        #expect(answer.content == .records([rdata("end")]))
        #expect(answer.aliases == 8)
    }

    @Test(arguments: ["c9", "c10", "c11", "c12", "c13", "c20"])
    func `STS-3.1-r more than 8 aliases in a row are a failure`(name: String) async {
        #expect(await resolver.cause("\(name).example.test") == .aliasChainTooLong)
    }

    @Test(arguments: ["self", "a.loop"])
    func `STS-3.1-r a loop of aliases is a failure in bounded time`(name: String) async {
        #expect(await resolver.cause("\(name).example.test") == .aliasChainTooLong)
    }

    @Test func `a change is seen by the next question`() async throws {
        #expect(try await resolver.txt("long.example.test").content == .records([rdata("x")]))
        let changed = "@ 300 SOA ns root 2 3600 600 86400 77\n@ NS ns\nns A 127.0.0.1\nlong 1000000 TXT new"
        try knot.replace("example.test", with: changed)
        #expect(try await resolver.txt("long.example.test").content == .records([rdata("new")]))
        #expect(try await resolver.txt("_mta-sts.example.test").content == .nameError)
    }

    @Test(arguments: ["a".repeated(64) + ".test", "a..test", "", "a.test.", "é.test", "a\\.b.test", "a\0.test"])
    func `a name that cannot be encoded fails at once`(name: String) async {
        #expect(await resolver.cause(name) == .resolver("\"\(name)\" cannot be encoded as a DNS name"))
    }

    @Test func `a name of 254 octets fails at once, one of 253 is asked`() async throws {
        let label = "a".repeated(63)
        let name = "\(label).\(label).\(label)." + "b".repeated(48) + ".example.test"
        #expect(name.utf8.count == 253)
        #expect(try await resolver.txt(name).content == .nameError)
        #expect(await resolver.cause("c" + name) != nil)
    }

    @Test func `a large set of records comes by TCP, complete`() async throws {
        let record = (0..<40).map { _ in "\"" + "x".repeated(30) + "\"" }.joined(separator: " ")
        let lines = (0..<45).map { "big 60 TXT \"\($0)\" \(record)\n" }.joined()
        let knot = try KnotServer(zones: ["big.test": Self.soa + lines])
        let answer = try await DNSTests.resolver(ports: knot.port).txt("big.big.test")
        guard case .records(let records) = answer.content else { throw KnotServer.StartError(description: "\(answer)") }
        #expect(Set(records).count == 45)
        #expect(records.map(\.count).reduce(0, +) > 55_000)
    }

    @Test func `one record of 10,000 strings comes complete`() async throws {
        let strings = (0..<10_000).map { "\"" + String(10_000 + $0) + "\"" }.joined(separator: " ")
        let knot = try KnotServer(zones: ["big.test": Self.soa + "many 60 TXT ( \(strings) )"])
        let answer = try await DNSTests.resolver(ports: knot.port).txt("many.big.test")
        guard case .records(let records) = answer.content else { throw KnotServer.StartError(description: "\(answer)") }
        #expect(records.map(\.count) == [60_000])
    }

    @Test func `a server on IPv6 is asked`() async throws {
        let knot = try KnotServer(zones: ["example.test": Self.example], host: "::1")
        let resolver = try DNSTests.resolver(ports: knot.port, host: "::1")
        #expect(try await resolver.txt("_mta-sts.example.test").timeToLive == 120)
    }

    @Test(arguments: ["invalid", "test", "localhost", "onion", "10.in-addr.arpa", "127.in-addr.arpa", "home.arpa"])
    func `no name is answered by the library itself`(zone: String) async throws {
        let knot = try KnotServer(zones: [zone: Self.soa + "x 60 TXT here\n@ 60 TXT apex\n@ 60 A 192.0.2.7"])
        let resolver = try DNSTests.resolver(ports: knot.port)
        #expect(try await resolver.txt("x.\(zone)").content == .records([rdata("here")]))
        #expect(try await resolver.txt(zone).content == .records([rdata("apex")]))
        let address = try await resolver.resolve(DNSQuestion(name: zone, type: .a))
        #expect(address.content == .records([[192, 0, 2, 7]]))
    }
}

extension String {
    func repeated(_ count: Int) -> String { String(repeating: self, count: count) }
}
