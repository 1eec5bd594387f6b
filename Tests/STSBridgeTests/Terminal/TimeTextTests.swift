import ArgumentParser
import PolicyService
import Testing

@testable import STSBridge

@Suite struct TimeTextTests {
    /// 2026-11-21T07:00:00.123Z
    private let now = WallTime(milliseconds: 1_795_244_400_123)

    @Test(arguments: [
        (0, "0s"), (1, "1s"), (59, "59s"), (60, "1m"), (61, "1m 1s"), (3_569, "59m 29s"), (3_599, "1h"), (3_600, "1h"),
        (3_661, "1h 1m"), (86_399, "1d"), (86_400, "1d"), (90_000, "1d 1h"), (604_800, "7d"), (604_790, "7d"),
        (31_557_600, "365d 6h"), (-5, "0s"),
    ])
    func `a span has two units at most, and is rounded`(seconds: Int64, expected: String) {
        #expect(TimeText.span(seconds: seconds) == expected)
    }

    @Test func `a moment is told in UTC and from here`() {
        #expect(TimeText.moment(now, seenFrom: now) == "2026-11-21T07:00:00Z, now")
        #expect(TimeText.moment(now + .seconds(604_800), seenFrom: now) == "2026-11-28T07:00:00Z, in 7d")
        #expect(TimeText.moment(now, seenFrom: now + .seconds(7_500)) == "2026-11-21T07:00:00Z, 2h 5m ago")
        #expect(TimeText.distance(to: now + .milliseconds(604_799_900), from: now) == "in 7d")
    }

    @Test(arguments: [
        ("7d", "2026-11-28T07:00:00.123Z"), ("12h", "2026-11-21T19:00:00.123Z"),
        ("2026-12-24", "2026-12-24T00:00:00.000Z"), ("2026-12-24T18:00:00Z", "2026-12-24T18:00:00.000Z"),
        ("2026-12-24T18:00:00+01:00", "2026-12-24T17:00:00.000Z"),
        ("2026-12-24T18:00:00.5-02:30", "2026-12-24T20:30:00.500Z"),
    ])
    func `until takes spans, dates and moments`(text: String, expected: String) throws {
        #expect(RFC3339.shown(try UntilText.parse(text).moment(now: now)) == expected)
    }

    @Test(arguments: [
        "", "soon", "7", "0d", "-1d", "7w", "2026-13-01", "2026-02-30", "24.12.2026", "2026-12-24T18:00", "12:00",
        "2026-12-24T18:00:00+25:00", "2026-12-24T18:00:00+0100", "2026-12-24T18:00:00+1:00", "\u{1b}[31m",
    ])
    func `until takes nothing else`(text: String) {
        #expect(throws: ValidationError.self) { try UntilText.parse(text) }
    }

    @Test(arguments: ["2026-11-21", "2020-01-01T00:00:00Z", "2026-11-21T07:00:00Z"])
    func `until in the past is refused, with the time that it is`(text: String) throws {
        let until = try UntilText.parse(text)
        let failure = #expect(throws: CommandFailure.self) { try until.moment(now: now) }
        #expect(failure?.status == .usage)
        #expect(failure?.description.contains("\(text) is in the past: it is 2026-11-21T07:00:00Z") == true)
    }
}

@Suite struct DomainArgumentTests {
    @Test(arguments: [
        ("Example.COM.", "example.com"), ("bücher.example", "xn--bcher-kva.example"),
        ("[smtp.example.com]:587", "smtp.example.com"), ("example.com:25", "example.com"),
    ])
    func `a domain is taken in any spelling that Postfix may send`(text: String, expected: String) throws {
        #expect(try DomainArgument.parse(text).name.text == expected)
    }

    @Test(arguments: [
        ("", "an empty text"), ("user@example.com", "mail address"), ("https://example.com/", "without https://"),
        (".example.com", "begins with a dot"), ("192.0.2.1", "is an address"), ("[192.0.2.1]:25", "is an address"),
        ("[2001:db8::1]", "is an address"), ("[IPv6:2001:db8::1]:25", "is an address"),
        ("[IPv6:fe80::1]", "is an address"),
        ("[ipv6:2001:db8::1]:smtp", "is an address"), ("192.0.2.1:25", "is an address"), ("fd00:2::1", "is an address"),
        ("[IPv6:x]", "is no domain name"), ("localhost", "single label"), ("[relay]:587", "single label"),
        ("localhost:25", "single label"), ("a_b.example", "is no domain name"),
        ("\u{1b}[31m.example", "\\x1B[31m.example is no domain name"),
    ])
    func `what is no domain is told why`(text: String, problem: String) {
        #expect(DomainArgument.problem(with: text).contains(problem))
        #expect(throws: ValidationError.self) { try DomainArgument.parse(text) }
    }
}
