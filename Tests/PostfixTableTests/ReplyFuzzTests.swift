import MTASTS
import NIOCore
import PostfixTable
import Testing
import TestSupport

/// Encodes 20,000 policies with hostile texts in all dialects and both protocols, and parses them with the grammar.
@Suite(.timeLimit(.minutes(5))) struct ReplyFuzzTests {
    private static let rounds = 5_000

    /// Four parts run in parallel.
    @Test(arguments: 1...4)
    func `whatever a domain publishes, Postfix accepts the reply`(part: Int) throws {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = Seeded(seed)
        var counts = Counts()
        for round in 0..<Self.rounds {
            let violations = try Self.check(round: round, generator: &generator, counts: &counts)
            guard violations.isEmpty else {
                Issue.record(
                    "part \(part), seed \(seed), round \(round): \(violations.prefix(3).joined(separator: "\n"))")
                return
            }
        }
        // Otherwise the test would prove little.
        #expect(counts.entries > Self.rounds && counts.withStrings > Self.rounds / 2, "\(counts)")
        #expect(counts.tooLong > 0 && counts.anew > 100, "\(counts)")
    }

    private struct Counts {
        var entries = 0
        var withStrings = 0
        var tooLong = 0
        var anew = 0
    }

    private static func check(
        round: Int, generator: inout Seeded, counts: inout Counts
    ) throws -> [String] {
        var maker = PolicyMaker(generator: generator, hasHugeText: round % 400 == 0, hasManyNames: round % 1_200 == 0)
        let (policy, text) = maker.make()
        generator = maker.generator
        let parsed = try STSPolicy(policy)
        let domain = try domain("xn--bcher-kva.example")
        guard SecureMatch(domain: domain, policy: parsed) != nil else {
            return parsed.hostPatterns.isEmpty ? [] : ["no match, but patterns"]
        }
        let reply = TableReply.entry(.secure(SecureMatch(domain: domain, policy: parsed, published: text)))
        let expected = parsed.hostPatterns.map(\.description)
        var faults: [String] = []
        // The other dialects do not use the text.
        for dialect in round % 5 == 0 ? Dialect.allCases : [.sts] {
            // The newest version has the most rules; the oldest of the dialect knows the fewest attributes.
            let generations = [dialect.generations.first, round % 8 == 0 ? .postfix3_12 : nil].compactMap { $0 }
            var buffer = ByteBuffer()
            SocketmapReplyEncoder.encode(reply, dialect: dialect, into: &buffer)
            let netstring = Array(buffer.readableBytesView)
            for generation in generations {
                let violations = TableReplyGrammar(generation).violations(ofSocketmap: netstring)
                faults += violations.map { "\(generation) \(dialect) socketmap: \($0)" }
            }
            faults += meaning(
                of: TableReplyGrammar.socketmap(netstring), expected: expected, dialect: dialect, counts: &counts)
            // The same entry in another frame.
            guard round % 3 == 0 else { continue }
            buffer.clear()
            TCPTableReplyEncoder.encode(reply, dialect: dialect, into: &buffer)
            let line = Array(buffer.readableBytesView)
            for generation in generations {
                let violations = TableReplyGrammar(generation).violations(ofTCPTable: line)
                faults += violations.map { "\(generation) \(dialect) tcp_table: \($0)" }
            }
            faults += meaning(
                of: TableReplyGrammar.tcpTable(line), expected: expected, dialect: dialect, counts: &counts)
        }
        return faults
    }

    /// Checks that the names are those of the policy: no text has become an attribute.
    private static func meaning(
        of reply: Result<TableReplyGrammar.Reply, TableReplyGrammar.ReplySyntaxError>, expected: [String],
        dialect: Dialect,
        counts: inout Counts
    ) -> [String] {
        guard case .success(.entry(let octets)) = reply else {
            counts.tooLong += 1
            return expected.count > 50 ? [] : ["\(dialect): no entry but \(reply)"]
        }
        counts.entries += 1
        let entry = TLSPolicyEntryGrammar(.postfix3_12).entry(octets)
        let match = expected.map { $0.hasPrefix("*.") ? String($0.dropFirst()) : $0 }.joined(separator: ":")
        let strings = entry.values(of: "policy_string")
        var faults: [String] = []
        if entry.values(of: "match") != [match] { faults.append("\(dialect): match") }
        if strings.isEmpty {
            if !entry.values(of: "mx_host_pattern").isEmpty { faults.append("\(dialect): mx_host_pattern alone") }
        } else {
            counts.withStrings += 1
            if strings.contains("x-anew: no") == false { counts.anew += 1 }
            if entry.values(of: "mx_host_pattern") != expected { faults.append("\(dialect): mx_host_pattern") }
            if entry.values(of: "policy_domain") != ["xn--bcher-kva.example"] { faults.append("\(dialect): domain") }
            if dialect != .sts { faults.append("\(dialect): policy_string") }
        }
        return faults
    }

    /// A policy that parses, and a text that may be anything.
    private struct PolicyMaker {
        var generator: Seeded
        let hasHugeText: Bool
        let hasManyNames: Bool

        mutating func make() -> (policy: [UInt8], text: [UInt8]) {
            var lines = ["version: STSv1", "mode: enforce", "max_age: 86400", "x-anew: no"]
            let names = hasManyNames ? 2_000 : Int.random(in: 1...6, using: &generator)
            for number in 0..<names { lines.append("mx: " + pattern(number)) }
            let policy = Array(lines.shuffled(using: &generator).joined(separator: "\n").utf8)
            var text = policy
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: text = hostile(octets: 120)
            case 1: text = []
            default:
                for _ in 0..<Int.random(in: 0...4, using: &generator) {
                    text += [0x0A] + hostile(octets: hasHugeText ? 65_536 : 50)
                }
            }
            return (policy, text)
        }

        private mutating func pattern(_ number: Int) -> String {
            let names = [
                "mx\(number).example.com", "MX.Example.COM", "*.example.net", "*.\(number).Test", "hostname", "nexthop",
                "192.0.2.1", "*.2.1", "xn--bcher-kva.example", "xn--0.example", "*.xn--a.XN--b", "a.b", "0.a",
                String(repeating: "a", count: 63) + ".example", "*.com",
            ]
            if number > 6 { return names[0] }
            return names.randomElement(using: &generator) ?? names[0]
        }

        private mutating func hostile(octets: Int) -> [UInt8] {
            var text: [UInt8] = []
            let length = Int.random(in: 0...octets, using: &generator)
            while text.count < length {
                if octets > 1_000, Int.random(in: 0..<4, using: &generator) == 0 {
                    text += Array(repeating: UInt8(ascii: "y"), count: 60_000)
                }
                text += Self.pieces.randomElement(using: &generator) ?? []
            }
            return text
        }

        private static let pieces: [[UInt8]] =
            [
                "\u{2028}", "\u{85}", "\u{0}", "{", "}", "{}", " } mx_host_pattern=evil.example { policy_string = ",
                ";",
                " policy_failure=x", "match=hostname", ":", ",", "\n", "\r\n", "\r", "\t", "  ", " ", "=", "%00", "%",
                "version: STSv1", "mode: none", "mx: *.evil.example", "x-ext: v", "\u{7f}", "\u{1b}[0m", "ü",
                "\u{1f4a9}",
                "\\", "\"", "'", "xn--", "UPPER: Case", "\u{feff}", "a", "policy_type=sts",
            ].map { Array($0.utf8) } + [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0x80]]
    }
}
