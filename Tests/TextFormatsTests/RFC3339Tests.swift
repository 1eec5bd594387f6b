import Foundation
import Testing
import TextFormats

@Suite struct RFC3339Tests {
    /// 2026-11-21T07:00:00.123Z
    private let now = WallTime(milliseconds: 1_795_244_400_123)

    @Test func `a moment is written in UTC to the millisecond`() {
        #expect(RFC3339.text(of: now) == "2026-11-21T07:00:00.123Z")
        #expect(RFC3339.text(of: RFC3339.earliest) == "2000-01-01T00:00:00.000Z")
        #expect(RFC3339.text(of: RFC3339.latest) == "9999-12-31T23:59:59.999Z")
    }

    @Test(arguments: [Int64.min, -1, 0, 946_684_799_999, 253_402_300_800_000, Int64.max])
    func `a moment outside the years 2000 to 9999 is not written`(milliseconds: Int64) {
        #expect(RFC3339.text(of: WallTime(milliseconds: milliseconds)) == nil)
    }

    @Test func `what is written is read as the same moment, and Foundation agrees`() {
        let bounds = (RFC3339.earliest.milliseconds, RFC3339.latest.milliseconds)
        // Odd steps: days, hours and milliseconds of all kinds.
        for milliseconds in stride(from: bounds.0, through: bounds.1, by: 50_461_000_003) {
            let time = WallTime(milliseconds: milliseconds)
            let text = RFC3339.text(of: time) ?? "none"
            #expect(RFC3339.time(from: text) == time)
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
            let other = try? Date(text, strategy: style)
            #expect(other.map { Int64(($0.timeIntervalSince1970 * 1_000).rounded()) } == time.milliseconds, "\(text)")
        }
    }

    @Test(arguments: [
        ("2026-11-21T07:00:00Z", 0), ("2026-11-21T07:00:00.1Z", 100), ("2026-11-21T07:00:00.12Z", 120),
        ("2026-11-21T07:00:00.999999999Z", 999), ("2024-02-29T00:00:00Z", nil), ("2000-02-29T00:00:00Z", nil),
    ])
    func `fractions are optional and rounded down`(text: String, milliseconds: Int64?) {
        guard let time = RFC3339.time(from: text) else {
            Issue.record("not read: \(text)")
            return
        }
        if let milliseconds { #expect(time.milliseconds == now.milliseconds - 123 + milliseconds) }
    }

    @Test(arguments: [
        "", "Z", "2026-11-21", "2026-11-21T07:00:00", "2026-11-21T07:00:00.123", "2026-11-21T07:00:00.Z",
        "2026-11-21T07:00:00.1234567890Z", "2026-11-21T07:00:00+00:00", "2026-11-21t07:00:00z", "2026-11-21 07:00:00Z",
        "2026-11-21T07:00:00.12aZ", "2026-11-21T07:00:00,123Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
        "2026-11-21T24:00:00Z", "2026-11-21T07:60:00Z", "2026-11-21T07:00:60Z", "1999-12-31T23:59:59.999Z",
        "0000-01-01T00:00:00Z", "0000-03-01T00:00:00Z", "10000-01-01T00:00:00Z", "-026-11-21T07:00:00Z",
        "+026-11-21T07:00:00Z", "２026-11-21T07:00:00Z", " 2026-11-21T07:00:00Z", "2026-11-21T07:00:00Z\n",
        "2026-11-21T07:00:00ZZ", "2026-11-21T07:00:00.123456789123456789123456789Z",
    ])
    func `anything else is no time`(text: String) {
        #expect(RFC3339.time(from: text) == nil)
    }
}
