import Foundation
import Testing

extension EndToEnd {
    /// Pitfalls 38–62: the text of the policy.
    @Suite struct PolicyTextPitfalls {
        @Test func `pitfalls 38 to 47: lines follow RFC 8461 section 3.2`() async throws {
            try await TestNetwork.running.check(Self.lines, section: "c")
        }

        @Test func `pitfalls 48 to 54: mail hosts are host names or wildcards, nothing else`() async throws {
            try await TestNetwork.running.check(Self.hosts, section: "c")
        }

        @Test func `pitfalls 55 to 62: ages, modes and unknown fields`() async throws {
            try await TestNetwork.running.check(Self.fields, section: "c")
        }

        static let good = ["version: STSv1", "mode: enforce", "mx: good.mx.example", "max_age: 86400"]

        /// The correct policy with these line ends.
        static func ended(_ end: String) -> String {
            good.map { $0 + end }.joined()
        }

        /// The correct policy with one line replaced or removed.
        static func with(_ line: Int, text: String?) -> String {
            var lines = good
            if let text { lines[line] = text } else { lines.remove(at: line) }
            return lines.map { $0 + "\r\n" }.joined()
        }

        /// The correct policy with more lines at its end.
        static func and(_ lines: String...) -> String {
            (good + lines).map { $0 + "\r\n" }.joined()
        }

        /// The correct policy for these mail hosts.
        static func mx(_ hosts: String...) -> String {
            (good.filter { !$0.hasPrefix("mx") } + hosts.map { "mx: \($0)" }).map { $0 + "\r\n" }.joined()
        }

        static let lines = [
            Pitfall(38, name: "LF", expect: .policy, body: ended("\n")),
            Pitfall(38, name: "CRLF", expect: .policy, body: ended("\r\n")),
            Pitfall(
                38, name: "both", expect: .policy,
                body: "version: STSv1\r\nmode: enforce\nmx: good.mx.example\r\nmax_age: 1\n"),
            Pitfall(39, name: "CR only", expect: .policyInvalid, body: ended("\r")),
            Pitfall(40, name: "no end of the last line", expect: .policy, body: good.joined(separator: "\n")),
            Pitfall(41, name: "blank lines at the end", expect: .policy, body: ended("\n") + "\n\r\n"),
            Pitfall(41, name: "blank lines between", expect: .policy, body: ended("\n\n")),
            Pitfall(41, name: "an empty file", expect: .policyInvalid, body: ""),
            Pitfall(42, name: "blanks and tabs at the ends of lines", expect: .policy, body: ended(" \t\r\n")),
            Pitfall(43, name: "indented lines", expect: .policyInvalid, body: good.map { "  \($0)\n" }.joined()),
            Pitfall(43, name: "one indented line", expect: .policyInvalid, body: with(1, text: " mode: enforce")),
            Pitfall(44, name: "a byte-order mark", expect: .policyInvalid, body: "\u{FEFF}" + ended("\n")),
            Pitfall(
                45, name: "no blank after the colon", expect: .policy,
                body: "version:STSv1\nmode:enforce\nmx:good.mx.example\nmax_age:60\n"),
            Pitfall(45, name: "many blanks after the colon", expect: .policy, body: with(1, text: "mode:  \t enforce")),
            Pitfall(
                46, name: "a blank before the colon", expect: .policyInvalid, body: with(1, text: "mode : enforce")),
            Pitfall(47, name: "Mode", expect: .policyInvalid, body: with(1, text: "Mode: enforce")),
            Pitfall(47, name: "Enforce", expect: .policyInvalid, body: with(1, text: "mode: Enforce")),
            Pitfall(47, name: "VERSION", expect: .policyInvalid, body: with(0, text: "VERSION: STSv1")),
            Pitfall(47, name: "stsv1", expect: .policyInvalid, body: with(0, text: "version: stsv1")),
            Pitfall(47, name: "MX", expect: .policyInvalid, body: with(2, text: "MX: good.mx.example")),
            Pitfall(47, name: "STS-3.2-l: no version", expect: .policyInvalid, body: with(0, text: nil)),
            Pitfall(47, name: "STS-3.2-l: STSv2", expect: .policyInvalid, body: with(0, text: "version: STSv2")),
            Pitfall(
                47, name: "STS-3.2-j: any order", expect: .policy, body: good.reversed().map { $0 + "\n" }.joined()),
        ]

        static let hosts =
            [
                Pitfall(48, name: "nmx", expect: .policyInvalid, body: with(2, text: "nmx: good.mx.example")),
                Pitfall(48, name: "no mx", expect: .policyInvalid, body: with(2, text: nil)),
                Pitfall(
                    51, name: "an address beside a host", expect: .policy, body: mx("192.0.2.1", "good.mx.example")),
                Pitfall(51, name: "an address only", expect: .temporary, body: mx("192.0.2.1")),
                Pitfall(48, name: "upper case", expect: .policy, body: mx("GOOD.MX.Example")),
                Pitfall(
                    48, name: "the same host twice", expect: .policy, body: mx("good.mx.example", "Good.mx.example")),
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
                Pitfall(
                    number, name: "STS-3.2-v: mx: \(host)", expect: .policyInvalid, body: mx("good.mx.example", host))
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
                Pitfall(
                    number, name: "max_age: \(age ?? "missing")", expect: expected,
                    body: with(3, text: age.map { "max_age: \($0)" }))
            } + [
                Pitfall(
                    58, name: "none without mx", expect: .nothing, body: "version: STSv1\nmode: none\nmax_age: 86400\n"),
                Pitfall(59, name: "mode: report", expect: .policyInvalid, body: with(1, text: "mode: report")),
                Pitfall(59, name: "no mode", expect: .policyInvalid, body: with(1, text: nil)),
                Pitfall(60, name: "a second mode", expect: .policy, body: and("mode: none")),
                Pitfall(60, name: "a second and bad max_age", expect: .policy, body: and("max_age: 1w")),
                Pitfall(60, name: "a second version", expect: .policy, body: and("version: STSv2")),
                Pitfall(60, name: "the weaker one first", expect: .nothing, body: "mode: testing\r\n" + ended("\r\n")),
                Pitfall(61, name: "a contact", expect: .policy, body: and("contact: postmaster@example.com", "x: a:b")),
                Pitfall(61, name: "a comment", expect: .policyInvalid, body: and("# comment")),
                Pitfall(
                    61, name: "a comment that looks like a field", expect: .policyInvalid, body: and("# comment: yes")),
                Pitfall(62, name: "UTF-8 in an unknown field", expect: .policy, body: and("owner: Bücher & Söhne")),
                Pitfall(62, name: "something else in an unknown field", expect: .policyInvalid) {
                    $0.policyHost?.body = Data(ended("\n").utf8) + Data([0x78, 0x3A, 0x20, 0xFF, 0xFE, 0x0A])
                },
                Pitfall(62, name: "NUL in an unknown field", expect: .policyInvalid, body: and("x: a\u{0}b")),
            ]
    }
}
