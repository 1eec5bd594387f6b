import Foundation
import PolicyService
import Testing

@testable import PolicyTransfer

@Suite struct TransferTimeTests {
    @Test func `a moment is written in UTC to the millisecond`() {
        #expect(TransferTime.text(of: now) == nowText)
        #expect(TransferTime.text(of: TransferTime.earliest) == "2000-01-01T00:00:00.000Z")
        #expect(TransferTime.text(of: TransferTime.latest) == "9999-12-31T23:59:59.999Z")
    }

    @Test(arguments: [Int64.min, -1, 0, 946_684_799_999, 253_402_300_800_000, Int64.max])
    func `a moment outside the years 2000 to 9999 is not written`(milliseconds: Int64) {
        #expect(TransferTime.text(of: WallTime(milliseconds: milliseconds)) == nil)
    }

    @Test func `what is written is read as the same moment, and Foundation agrees`() {
        var generator = Seeded(7)
        let bounds = TransferTime.earliest.milliseconds...TransferTime.latest.milliseconds
        for _ in 1...5_000 {
            let time = WallTime(milliseconds: Int64.random(in: bounds, using: &generator))
            let text = TransferTime.text(of: time) ?? "none"
            #expect(TransferTime.read(text) == time)
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
        guard let time = TransferTime.read(text) else {
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
        #expect(TransferTime.read(text) == nil)
    }
}

/// The same numbers each time (SplitMix64).
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
