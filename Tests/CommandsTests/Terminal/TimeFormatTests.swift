import ArgumentParser
import PolicyCaching
import PolicyRuntime
import Testing
import TextFormats

@testable import Commands

@Suite struct TimeFormatTests {
    /// 2026-11-21T07:00:00.123Z
    private let now = WallTime(milliseconds: 1_795_244_400_123)

    @Test(arguments: [
        (0, "0s"), (1, "1s"), (59, "59s"), (60, "1m"), (61, "1m 1s"), (3_569, "59m 29s"), (3_599, "1h"), (3_600, "1h"),
        (3_661, "1h 1m"), (86_399, "1d"), (86_400, "1d"), (90_000, "1d 1h"), (604_800, "7d"), (604_790, "7d"),
        (31_557_600, "365d 6h"), (-5, "0s"),
    ])
    func `a duration has at most two units, and is rounded`(seconds: Int64, expected: String) {
        #expect(TimeFormat.duration(seconds: seconds) == expected)
    }

    @Test func `a time is in UTC, with its distance from now`() {
        #expect(TimeFormat.timestamp(now, relativeTo: now) == "2026-11-21T07:00:00Z, now")
        #expect(TimeFormat.timestamp(now + .seconds(604_800), relativeTo: now) == "2026-11-28T07:00:00Z, in 7d")
        #expect(TimeFormat.timestamp(now, relativeTo: now + .seconds(7_500)) == "2026-11-21T07:00:00Z, 2h 5m ago")
        #expect(TimeFormat.relative(to: now + .milliseconds(604_799_900), from: now) == "in 7d")
    }

    @Test(arguments: [
        ("7d", "2026-11-28T07:00:00.123Z"), ("12h", "2026-11-21T19:00:00.123Z"),
        ("2026-12-24", "2026-12-24T00:00:00.000Z"), ("2026-12-24T18:00:00Z", "2026-12-24T18:00:00.000Z"),
        ("2026-12-24T18:00:00+01:00", "2026-12-24T17:00:00.000Z"),
        ("2026-12-24T18:00:00.5-02:30", "2026-12-24T20:30:00.500Z"),
    ])
    func `--until accepts durations, dates and times`(text: String, expected: String) throws {
        #expect(RFC3339.clampedText(of: try ExpiryArgument.parse(text).moment(now: now)) == expected)
    }

    @Test(arguments: [
        "", "soon", "7", "0d", "-1d", "7w", "2026-13-01", "2026-02-30", "24.12.2026", "2026-12-24T18:00", "12:00",
        "2026-12-24T18:00:00+25:00", "2026-12-24T18:00:00+0100", "2026-12-24T18:00:00+1:00", "\u{1b}[31m",
    ])
    func `--until rejects anything else`(text: String) {
        #expect(throws: ValidationError.self) { try ExpiryArgument.parse(text) }
    }

    @Test(arguments: ["2026-11-21", "2020-01-01T00:00:00Z", "2026-11-21T07:00:00Z"])
    func `--until in the past is an error with the current time`(text: String) throws {
        let until = try ExpiryArgument.parse(text)
        let failure = #expect(throws: CommandError.self) { try until.moment(now: now) }
        #expect(failure?.status == .usage)
        #expect(failure?.description.contains("\(text) is in the past: it is 2026-11-21T07:00:00Z") == true)
    }
}

@Suite struct DomainArgumentTests {
    @Test(arguments: [
        ("Example.COM.", "example.com"), ("bücher.example", "xn--bcher-kva.example"),
        ("[smtp.example.com]:587", "smtp.example.com"), ("example.com:25", "example.com"),
    ])
    func `a domain is accepted in any spelling that Postfix may send`(text: String, expected: String) throws {
        #expect(try DomainArgument.parse(text).name.text == expected)
    }

    @Test(arguments: [
        ("", "the domain is empty"), ("user@example.com", "mail address"), ("https://example.com/", "without https://"),
        (".example.com", "begins with a dot"), ("192.0.2.1", "is an address"), ("[192.0.2.1]:25", "is an address"),
        ("[2001:db8::1]", "is an address"), ("[IPv6:2001:db8::1]:25", "is an address"),
        ("[IPv6:fe80::1]", "is an address"),
        ("[ipv6:2001:db8::1]:smtp", "is an address"), ("192.0.2.1:25", "is an address"), ("fd00:2::1", "is an address"),
        ("[IPv6:x]", "is not a domain name"), ("localhost", "single label"), ("[relay]:587", "single label"),
        ("localhost:25", "single label"), ("a_b.example", "is not a domain name"),
        ("\u{1b}[31m.example", "\\x1B[31m.example is not a domain name"),
    ])
    func `the error explains why a text is not a domain`(text: String, problem: String) {
        #expect(DomainArgument.problem(with: text).contains(problem))
        #expect(throws: ValidationError.self) { try DomainArgument.parse(text) }
    }
}
