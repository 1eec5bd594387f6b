import Discovery
import Testing

@testable import DNSClient
@testable import UnboundDNS

@Suite struct ResponseParserTests {
    private func read(_ packet: [UInt8], type: RecordType = .txt) throws(QueryError) -> DNSAnswer {
        try ResponseParser.parse(packet, for: DNSQuestion(name: "a.test", type: type)).answer
    }

    @Test func `the least TTL of chain and records counts, other sections do not`() throws {
        let packet = message(
            answers: [
                rr("a.test", type: 5, ttl: 90, data: name("b.test")), rr("b.test", type: 16, ttl: 80, data: rdata("x")),
                rr("b.test", type: 16, ttl: 70, data: rdata("y")),
                rr("c.test", type: 16, ttl: 1, data: rdata("not asked for")),
            ], authority: [rr("test", type: 2, ttl: 3, data: name("ns.test"))])
        let answer = try read(packet)
        #expect(answer.content == .records([rdata("x"), rdata("y")]))
        #expect(answer.timeToLive == 70)
        #expect(answer.aliases == 1)
    }

    @Test(arguments: [(300, 77, 77), (40, 900, 40), (0x8000_0001, 900, 0)] as [(UInt32, UInt32, UInt32)])
    func `a negative answer lives for the lesser of the SOA's TTL and MINIMUM`(
        ttl: UInt32, minimum: UInt32, all: UInt32
    )
        throws
    {
        let soa = name("ns.test") + name("root.test") + [UInt8](repeating: 0, count: 16) + number(minimum)
        for code in [0, 3] as [UInt8] {
            let answer = try read(message(code: code, authority: [rr("test", type: 6, ttl: ttl, data: soa)]))
            #expect(answer.content == (code == 3 ? .nameError : .noData))
            #expect(answer.timeToLive == all)
        }
    }

    @Test func `8 aliases are followed, in whatever order they stand, 9 are not`() throws {
        let chain = (0..<9).map { rr($0 == 0 ? "a.test" : "c\($0)", type: 5, ttl: 60, data: name("c\($0 + 1)")) }
        #expect(
            try read(message(answers: chain[..<8].reversed() + [rr("c8", type: 16, ttl: 60, data: rdata("x"))])).aliases
                == 8)
        #expect(throws: QueryError(.aliasChainTooLong)) { try read(message(answers: chain)) }
        #expect(throws: QueryError(.aliasChainTooLong)) {
            try read(message(answers: [rr("a.test", type: 5, ttl: 60, data: name("a.test"))]))
        }
    }

    @Test func `codes other than 0 and 3 are failures, and so is a truncated answer`() {
        #expect(throws: QueryError(.responseCode(2))) { try read(message(code: 2)) }
        #expect(throws: QueryError(.malformedAnswer("truncated"))) { try read(message(flags: 0x0200)) }
        #expect(throws: QueryError(.malformedAnswer("not a response"))) { try read(message(flags: 0x8000)) }
    }

    @Test func `records of the wrong size are malformed`() {
        for (type, data) in [(RecordType.a, [1, 2, 3]), (.aaaa, [1, 2, 3, 4]), (.txt, []), (.txt, [2, 65])]
            as [(RecordType, [UInt8])]
        {
            #expect(throws: QueryError.self) {
                try read(message(answers: [rr("a.test", type: type.rawValue, ttl: 60, data: data)]), type: type)
            }
        }
        #expect(throws: QueryError(.malformedAnswer("A record of 3 octets"))) {
            try read(message(answers: [rr("a.test", type: 1, ttl: 60, data: [1, 2, 3])]), type: .a)
        }
    }

    @Test func `the names of MX and CNAME are written out`() throws {
        // "test" stands at offset 14, behind the label of the question's name.
        let pointer: [UInt8] = [2, 109, 120, 0xC0, 14]
        let exchanges = try read(
            message(answers: [rr("a.test", type: 15, ttl: 60, data: [0, 10] + pointer)]), type: .mx)
        #expect(exchanges.content == .records([[0, 10] + name("mx.test")]))
        let alias = try read(message(answers: [rr("a.test", type: 5, ttl: 60, data: pointer)]), type: .cname)
        #expect(alias.content == .records([name("mx.test")]))
        #expect(alias.aliases == 0)
        for data in [[], [0], [0, 10], [0, 10, 2, 109], [0, 10, 0, 0], [0, 10] + pointer + [0]] as [[UInt8]] {
            #expect(throws: QueryError.self) {
                try read(message(answers: [rr("a.test", type: 15, ttl: 60, data: data)]), type: .mx)
            }
        }
    }

    @Test func `the canonical name is where the aliases end; without them it is the question's as written`() throws {
        func canonical(_ name: String, type: RecordType, packet: [UInt8]) throws -> String {
            try ResponseParser.parse(packet, for: DNSQuestion(name: name, type: type)).canonicalName
        }
        let chain = [
            rr("a.test", type: 5, ttl: 60, data: name("B.test")), rr("b.test", type: 5, ttl: 60, data: name("c.test")),
        ]
        #expect(
            try canonical(
                "a.test", type: .txt,
                packet: message(answers: chain + [rr("c.test", type: 16, ttl: 60, data: rdata("x"))])) == "c.test")
        #expect(try canonical("a.test", type: .txt, packet: message(code: 3, answers: chain)) == "c.test")
        #expect(try canonical("a.test", type: .cname, packet: message(answers: chain)) == "a.test")
        #expect(try canonical("A.Test", type: .txt, packet: message()) == "A.Test")
    }

    @Test func `a TLSA record of any length comes as it is`() throws {
        for data in [[], [3], [3, 1, 1], [3, 1, 1, 7]] as [[UInt8]] {
            #expect(
                try read(message(answers: [rr("a.test", type: 52, ttl: 60, data: data)]), type: .tlsa).content
                    == .records([data]))
        }
    }

    @Test func `a message cut off anywhere is malformed, never read past its end`() throws {
        let packet = message(answers: [
            rr("a.test", type: 5, ttl: 9, data: [0xC0, 0x0C]), rr("a.test", type: 16, ttl: 80, data: rdata("x")),
        ])
        _ = try DNSMessage(packet)
        for end in 0..<packet.count {
            #expect(throws: DNSMessage.MalformedError.self) { try DNSMessage(Array(packet[..<end])) }
        }
    }

    @Test func `pointers forward, to themselves and in a ring are malformed`() {
        let header = Array(message()[..<12])
        for question in [[0xC0, 12], [0xC0, 14, 0xC0, 12], [1, 97, 0xC0, 12], [0x40, 1], [0x80]] as [[UInt8]] {
            #expect(throws: DNSMessage.MalformedError.self) { try DNSMessage(header + question + [0, 16, 0, 1]) }
        }
    }

    @Test func `a message of arbitrary bytes ends in a value or a failure`() {
        var random = SystemRandomNumberGenerator()
        let packet = message(answers: [
            rr("a.test", type: 5, ttl: 90, data: name("b.test")), rr("b.test", type: 16, ttl: 80, data: rdata("x")),
        ])
        for _ in 0..<20_000 {
            var mutant = packet
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                mutant[Int.random(in: mutant.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? read(mutant)
        }
    }

    @Test func `a wire name is written so that libunbound reads the same`() throws {
        let strange = [UInt8](arrayLiteral: 3, 65, 46, 32, 1, 98, 0)
        let message = try DNSMessage(message(answers: [rr("a.test", type: 5, ttl: 1, data: strange)]))
        #expect(message.answers[0].target?.text == "a\\046\\032.b")
    }

    @Test func `the root is a dot, and no other name ends with one`() throws {
        let root = try #require(WireName(text: "."))
        #expect(root.octets == [0] && root.text == ".")
        for text in ["", "..", "a.test.", ".test"] { #expect(WireName(text: text) == nil) }
    }

    @Test func `NS and DNSKEY records come as they are`() throws {
        for (type, code) in [(RecordType.ns, UInt16(2)), (.dnskey, 48)] {
            #expect(type.rawValue == code)
            let answer = try read(message(answers: [rr("a.test", type: code, ttl: 60, data: [1, 97, 0])]), type: type)
            #expect(answer.content == .records([[1, 97, 0]]))
        }
    }
}

private func name(_ text: String) -> [UInt8] {
    text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
}

private func number(_ value: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }

private func rr(_ owner: String, type: UInt16, ttl: UInt32, data: [UInt8]) -> [UInt8] {
    name(owner) + number(UInt32(type) << 16 | 1) + number(ttl) + number(UInt32(data.count))[2...] + data
}

/// A response to `a.test TXT`; `flags` are turned over.
private func message(
    code: UInt8 = 0, flags: UInt16 = 0, answers: [[UInt8]] = [], authority: [[UInt8]] = []
) -> [UInt8] {
    let flags = (0x8180 ^ flags) | UInt16(code)
    let header = [0, flags, 1, UInt16(answers.count), UInt16(authority.count), 0]
    return header.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] } + name("a.test") + [0, 16, 0, 1]
        + answers.flatMap(\.self) + authority.flatMap(\.self)
}
