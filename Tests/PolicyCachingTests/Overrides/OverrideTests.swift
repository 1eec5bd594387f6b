import MTASTS
import PolicyCaching
import Testing
import TestSupport
import TextFormats

@Suite struct OverrideTests {
    private let now = ManualTime().now

    private func error(
        _ kind: Override.Kind = .pin([]), until: WallTime? = nil, reason: String = "r", author: String = "a"
    ) throws -> OverrideValueError? {
        do {
            _ = try testOverride(kind, of: "example.com", since: now, until: until, reason: reason, author: author)
            return nil
        } catch let error as OverrideValueError {
            return error
        }
    }

    @Test(arguments: ["ticket 7", "Größe 😀 (siehe #7)", String(repeating: "x", count: 200)])
    func `a reason is printable text`(reason: String) throws {
        #expect(try error(reason: reason) == nil)
        #expect(try error(author: reason) == nil)
    }

    @Test(arguments: [
        "", "   ", "\u{A0}", "a\nb", "a\0", "\u{1B}[31m", "\u{202E}", "\u{2028}", String(repeating: "x", count: 201),
    ])
    func `a missing, too long or unprintable reason is rejected`(reason: String) throws {
        #expect(try error(reason: reason) == .reason)
        #expect(try error(author: reason) == .author)
    }

    @Test func `the end is after the beginning and before the year 10000`() throws {
        #expect(try error(until: now + .milliseconds(1)) == nil)
        #expect(try error(until: now) == .end)
        #expect(try error(until: now + .seconds(-1)) == .end)
        #expect(try error(until: WallTime(milliseconds: 253_402_300_799_999)) == nil)
        #expect(try error(until: WallTime(milliseconds: .max)) == .end)
    }

    @Test func `a pin has possible host names, and not too many`() throws {
        #expect(try error(.pin([pattern("mx.example.com"), pattern("*.example.net")])) == nil)
        #expect(try error(.pin([pattern("mx.example.com"), pattern("mx")])) == .name(try pattern("mx")))
        #expect(try error(.pin([pattern("192.0.2.1")])) == .name(try pattern("192.0.2.1")))
        let names = try (1...101).map { try pattern("mx\($0).example.com") }
        #expect(try error(.pin(Array(names.dropLast()))) == nil)
        #expect(try error(.pin(names)) == .tooManyNames)
    }

    @Test func `it applies until its end, and not at its end`() throws {
        let end = now + .seconds(60)
        let override = try testOverride(.pin([]), of: "example.com", since: now, until: end)
        #expect(override.applies(at: now))
        #expect(override.applies(at: end + .milliseconds(-1)))
        #expect(!override.applies(at: end))
        #expect(try testOverride(.pin([]), of: "example.com", since: now).applies(at: WallTime(milliseconds: .max)))
    }
}
