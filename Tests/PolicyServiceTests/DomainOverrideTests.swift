import MTASTS
import PolicyService
import Testing
import TestSupport

@Suite struct DomainOverrideTests {
    private let now = ManualTime().now

    private func fault(
        _ kind: DomainOverride.Kind = .pin([]), until: WallTime? = nil, reason: String = "r", author: String = "a"
    ) throws -> OverrideFault? {
        do {
            _ = try order(kind, "example.com", since: now, until: until, reason: reason, author: author)
            return nil
        } catch let fault as OverrideFault {
            return fault
        }
    }

    @Test(arguments: ["ticket 7", "Größe 😀 (siehe #7)", String(repeating: "x", count: 200)])
    func `a reason is what a person writes`(reason: String) throws {
        #expect(try fault(reason: reason) == nil)
        #expect(try fault(author: reason) == nil)
    }

    @Test(arguments: [
        "", "   ", "\u{A0}", "a\nb", "a\0", "\u{1B}[31m", "\u{202E}", "\u{2028}", String(repeating: "x", count: 201),
    ])
    func `what is missing, too long, or changes a terminal is no reason`(reason: String) throws {
        #expect(try fault(reason: reason) == .reason)
        #expect(try fault(author: reason) == .author)
    }

    @Test func `an end lies after the beginning, and is one that a calendar knows`() throws {
        #expect(try fault(until: now + .milliseconds(1)) == nil)
        #expect(try fault(until: now) == .end)
        #expect(try fault(until: now + .seconds(-1)) == .end)
        #expect(try fault(until: WallTime(milliseconds: 253_402_300_799_999)) == nil)
        #expect(try fault(until: WallTime(milliseconds: .max)) == .end)
    }

    @Test func `a pin names hosts, and not too many`() throws {
        #expect(try fault(.pin([pattern("mx.example.com"), pattern("*.example.net")])) == nil)
        #expect(try fault(.pin([pattern("mx.example.com"), pattern("mx")])) == .name(try pattern("mx")))
        #expect(try fault(.pin([pattern("192.0.2.1")])) == .name(try pattern("192.0.2.1")))
        let names = try (1...101).map { try pattern("mx\($0).example.com") }
        #expect(try fault(.pin(Array(names.dropLast()))) == nil)
        #expect(try fault(.pin(names)) == .tooManyNames)
    }

    @Test func `it is applied until its end, and not at it`() throws {
        let end = now + .seconds(60)
        let override = try order(.pin([]), "example.com", since: now, until: end)
        #expect(override.applies(at: now))
        #expect(override.applies(at: end + .milliseconds(-1)))
        #expect(!override.applies(at: end))
        #expect(try order(.pin([]), "example.com", since: now).applies(at: WallTime(milliseconds: .max)))
    }
}
