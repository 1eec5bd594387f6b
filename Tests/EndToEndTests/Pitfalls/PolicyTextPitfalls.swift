import Foundation
import Testing

extension EndToEnd {
    /// Pitfalls 38–62: the text of the policy.
    @Suite struct PolicyTextPitfalls {
        @Test func `pitfalls 38 to 47: lines are read by RFC 8461 section 3.2`() async throws {
            try await Lab.running.check(Self.lines, section: "c")
        }

        @Test func `pitfalls 48 to 54: mail hosts are host names or wildcards, nothing else`() async throws {
            try await Lab.running.check(Self.hosts, section: "c")
        }

        @Test func `pitfalls 55 to 62: ages, modes and unknown fields`() async throws {
            try await Lab.running.check(Self.fields, section: "c")
        }

        static let good = ["version: STSv1", "mode: enforce", "mx: good.mx.example", "max_age: 86400"]

        /// The good policy, its lines ended like this.
        static func ended(_ end: String) -> String {
            good.map { $0 + end }.joined()
        }

        /// The good policy with one line replaced, or taken away.
        static func with(_ line: Int, _ text: String?) -> String {
            var lines = good
            if let text { lines[line] = text } else { lines.remove(at: line) }
            return lines.map { $0 + "\r\n" }.joined()
        }

        /// The good policy with lines added at its end.
        static func and(_ lines: String...) -> String {
            (good + lines).map { $0 + "\r\n" }.joined()
        }

        /// The good policy for those mail hosts.
        static func mx(_ hosts: String...) -> String {
            (good.filter { !$0.hasPrefix("mx") } + hosts.map { "mx: \($0)" }).map { $0 + "\r\n" }.joined()
        }

        static let lines = [
            Pitfall(38, "LF", .policy, body: ended("\n")),
            Pitfall(38, "CRLF", .policy, body: ended("\r\n")),
            Pitfall(38, "both", .policy, body: "version: STSv1\r\nmode: enforce\nmx: good.mx.example\r\nmax_age: 1\n"),
            Pitfall(39, "CR only", .policyInvalid, body: ended("\r")),
            Pitfall(40, "no end of the last line", .policy, body: good.joined(separator: "\n")),
            Pitfall(41, "blank lines at the end", .policy, body: ended("\n") + "\n\r\n"),
            Pitfall(41, "blank lines between", .policy, body: ended("\n\n")),
            Pitfall(41, "an empty file", .policyInvalid, body: ""),
            Pitfall(42, "blanks and tabs at the ends of lines", .policy, body: ended(" \t\r\n")),
            Pitfall(43, "indented lines", .policyInvalid, body: good.map { "  \($0)\n" }.joined()),
            Pitfall(43, "one indented line", .policyInvalid, body: with(1, " mode: enforce")),
            Pitfall(44, "a byte-order mark", .policyInvalid, body: "\u{FEFF}" + ended("\n")),
            Pitfall(
                45, "no blank after the colon", .policy,
                body: "version:STSv1\nmode:enforce\nmx:good.mx.example\nmax_age:60\n"),
            Pitfall(45, "many blanks after the colon", .policy, body: with(1, "mode:  \t enforce")),
            Pitfall(46, "a blank before the colon", .policyInvalid, body: with(1, "mode : enforce")),
            Pitfall(47, "Mode", .policyInvalid, body: with(1, "Mode: enforce")),
            Pitfall(47, "Enforce", .policyInvalid, body: with(1, "mode: Enforce")),
            Pitfall(47, "VERSION", .policyInvalid, body: with(0, "VERSION: STSv1")),
            Pitfall(47, "stsv1", .policyInvalid, body: with(0, "version: stsv1")),
            Pitfall(47, "MX", .policyInvalid, body: with(2, "MX: good.mx.example")),
            Pitfall(47, "STS-3.2-l: no version", .policyInvalid, body: with(0, nil)),
            Pitfall(47, "STS-3.2-l: STSv2", .policyInvalid, body: with(0, "version: STSv2")),
            Pitfall(47, "STS-3.2-j: any order", .policy, body: good.reversed().map { $0 + "\n" }.joined()),
        ]

        static let hosts =
            [
                Pitfall(48, "nmx", .policyInvalid, body: with(2, "nmx: good.mx.example")),
                Pitfall(48, "no mx", .policyInvalid, body: with(2, nil)),
                Pitfall(51, "an address beside a host", .policy, body: mx("192.0.2.1", "good.mx.example")),
                Pitfall(51, "an address only", .temporary, body: mx("192.0.2.1")),
                Pitfall(48, "upper case", .policy, body: mx("GOOD.MX.Example")),
                Pitfall(48, "the same host twice", .policy, body: mx("good.mx.example", "Good.mx.example")),
            ]
            + [
                (49, ".mx.example"), (50, "good.mx.example, second.mx.example"),
                (50, "good.mx.example second.mx.example"), (50, "good.mx.example;second.mx.example"),
                (51, "[192.0.2.1]"), (51, "2001:db8::1"), (52, "good.mx.example."), (52, "good.mx.example:25"),
                (52, "<good.mx.example>"), (52, "\"good.mx.example\""), (52, "go_od.mx.example"),
                (52, "-good.mx.example"),
                (52, ""), (53, "*"), (53, "*.*.example"), (53, "*mx.example"), (53, "go*.mx.example"),
                (53, "good.*.example"), (54, "bücher.example"), (54, "*.bücher.example"),
            ].map { number, host in
                Pitfall(number, "STS-3.2-v: mx: \(host)", .policyInvalid, body: mx("good.mx.example", host))
            }

        static let fields =
            [
                (55, nil, Pitfall.Expected.policyInvalid), (55, "1w", .policyInvalid), (55, "86400s", .policyInvalid),
                (55, "-1", .policyInvalid),
                (55, "+1", .policyInvalid), (55, "1.5", .policyInvalid), (55, "", .policyInvalid),
                (55, "0x10", .policyInvalid),
                (55, "12345678901", .policyInvalid), (56, "31557601", .policy), (56, "9999999999", .policy),
                (57, "0", .policy), (57, "60", .policy), (57, "0000086400", .policy),
            ].map { number, age, expected in
                Pitfall(number, "max_age: \(age ?? "missing")", expected, body: with(3, age.map { "max_age: \($0)" }))
            } + [
                Pitfall(58, "none without mx", .nothing, body: "version: STSv1\nmode: none\nmax_age: 86400\n"),
                Pitfall(59, "mode: report", .policyInvalid, body: with(1, "mode: report")),
                Pitfall(59, "no mode", .policyInvalid, body: with(1, nil)),
                Pitfall(60, "a second mode", .policy, body: and("mode: none")),
                Pitfall(60, "a second and bad max_age", .policy, body: and("max_age: 1w")),
                Pitfall(60, "a second version", .policy, body: and("version: STSv2")),
                Pitfall(60, "the weaker one first", .nothing, body: "mode: testing\r\n" + ended("\r\n")),
                Pitfall(61, "a contact", .policy, body: and("contact: postmaster@example.com", "x: a:b")),
                Pitfall(61, "a comment", .policyInvalid, body: and("# comment")),
                Pitfall(61, "a comment that looks like a field", .policyInvalid, body: and("# comment: yes")),
                Pitfall(62, "UTF-8 in an unknown field", .policy, body: and("owner: Bücher & Söhne")),
                Pitfall(62, "something else in an unknown field", .policyInvalid) {
                    $0.policyHost?.body = Data(ended("\n").utf8) + Data([0x78, 0x3A, 0x20, 0xFF, 0xFE, 0x0A])
                },
                Pitfall(62, "NUL in an unknown field", .policyInvalid, body: and("x: a\u{0}b")),
            ]
    }
}
