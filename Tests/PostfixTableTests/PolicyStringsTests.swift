import MTASTS
import PostfixTable
import Testing
import TestSupport

@Suite struct PolicyStringsTests {
    private static let policy = "version: STSv1\nmode: enforce\nmx: mx.example.com\nmx: *.example.net\nmax_age: 86400\n"
    private static let anew = [
        "version: STSv1", "mode: enforce", "mx: mx.example.com", "mx: *.example.net", "max_age: 86400",
    ]

    private static func strings(_ text: [UInt8]) throws -> [String] {
        let entry = CheckedReply.entry(try .secure(policy: policy, text: text), in: .sts)
        return try #require(entry).values(of: "policy_string")
    }

    private static func strings(_ text: String) throws -> [String] { try strings(Array(text.utf8)) }

    @Test func `lines are written as published, in their order, with extensions and repetitions`() throws {
        let text =
            "version: STSv1\nmax_age: 1\nx-note: grüße, a:b=c;d\nmx: A.Example.com\nmx: A.Example.com\nmode: enforce"
        #expect(try Self.strings(text) == text.split(separator: "\n").map(String.init))
    }

    @Test func `white space becomes one space, none at the ends, and blank lines are left out`() throws {
        #expect(try Self.strings(" a:\t \tb  c \r\n\n \t \r\n\r\nd:e\t") == ["a: b c", "d:e"])
    }

    @Test(arguments: [
        "a{b", "a}b", "a{b}c", "}", "{", "} mx_host_pattern=evil.example { policy_string = x", "a\u{0}b", "a\u{7}b",
        "a\u{7f}b", "a\u{1b}[31m", "a\rb", "a\u{b}b", "a\u{80}b", "a\u{85}b", "a\u{9f}b",
    ])
    func `a line with a brace or a control character is left out`(line: String) throws {
        #expect(try Self.strings("version: STSv1\n\(line)\nmode: enforce") == ["version: STSv1", "mode: enforce"])
    }

    @Test(
        arguments: [[0xFF], [0xC3], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0x80]] as [[UInt8]])
    func `a line that is not UTF-8 is left out`(octets: [UInt8]) throws {
        #expect(try Self.strings(Array("a: b\nx: ".utf8) + octets + Array("\nc: d".utf8)) == ["a: b", "c: d"])
    }

    @Test(arguments: ["ü", "\u{a0}", "\u{2028}", "\u{feff}", "\u{1f600}", "\u{ffff}", "\u{10ffff}", "a,b", "%20", "\""])
    func `other characters are written`(character: String) throws {
        #expect(try Self.strings("x: \(character)y") == ["x: \(character)y"])
    }

    @Test(arguments: ["", "\n", "\r\n\r\n", " ", "{}", "\u{0}", "version: {STSv1}\nmode: enf\u{0}orce"])
    func `without a safe line the parsed policy is written, so that there is always one line`(text: String) throws {
        #expect(try Self.strings(text) == Self.anew)
    }
}
