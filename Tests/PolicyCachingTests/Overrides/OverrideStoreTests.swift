import MTASTS
import PolicyCaching
import Testing
import TestSupport
import TextFormats

@Suite struct OverrideStoreTests {
    private static let hour = Duration.seconds(3_600)
    private let now = ManualTime().now
    private var store = OverrideStore(capacity: 3)

    private func exemption(_ name: String = "example.com", for span: Duration? = nil) throws -> Override {
        try testOverride(.exempt(mayEncrypt: false), of: name, since: now, until: span.map { now + $0 })
    }

    private mutating func error(of override: Override, at now: WallTime) -> OverrideError? {
        do throws(OverrideError) {
            try store.set(override, at: now)
            return nil
        } catch {
            return error
        }
    }

    @Test mutating func `an override applies to its domain and not to subdomains`() throws {
        let override = try exemption()
        try store.set(override, at: now)
        #expect(store.override(of: try domain("example.com"), at: now) == override)
        #expect(store.override(of: try domain("mail.example.com"), at: now) == nil)
        #expect(store.override(of: try domain("example.org"), at: now) == nil)
    }

    @Test mutating func `a later override of a domain replaces the earlier one`() throws {
        try store.set(try exemption(), at: now)
        let pin = try testOverride(.pin([]), of: "example.com", since: now)
        try store.set(pin, at: now)
        #expect(store.overrides(at: now) == [pin])
    }

    @Test mutating func `a store that replaces everything decides, also about overrides that were removed here`() throws
    {
        for name in ["a.example", "b.example"] { try store.set(try exemption(name), at: now) }
        _ = store.remove(try domain("b.example"), at: now)
        let stored = try ["b.example", "c.example"].map { StoredOverride.override(try exemption($0)) }
        _ = store.restore(stored, replacingAll: true, at: now)
        // Another process has set the removed one again: a removal here is in the store before the store is read.
        #expect(store.overrides(at: now).map(\.domain.name.text) == ["b.example", "c.example"])
    }

    @Test mutating func `an event of an override is not reported again after the same override was restored`() throws {
        let (ended, other) = (try exemption(for: Self.hour), try exemption(for: Self.hour * 2))
        try store.set(ended, at: now)
        _ = store.due(at: now + Self.hour)
        _ = store.restore([.override(ended)], replacingAll: true, at: now)
        let again = store.due(at: now + Self.hour)
        #expect(again == [])
        _ = store.restore([.override(other)], replacingAll: true, at: now)
        let anew = store.due(at: now + Self.hour)
        #expect(anew == [.endsSoon(other)])
    }

    @Test mutating func `overrides are listed by domain while they apply`() throws {
        for name in ["c.example", "a.example", "b.example"] {
            try store.set(try exemption(name, for: name == "b.example" ? Self.hour : nil), at: now)
        }
        #expect(store.overrides(at: now).map(\.domain.name.text) == ["a.example", "b.example", "c.example"])
        #expect(store.overrides(at: now + Self.hour).map(\.domain.name.text) == ["a.example", "c.example"])
        #expect(store.override(of: try domain("b.example"), at: now + Self.hour) == nil)
    }

    @Test
    mutating func `if there are too many, an override of another domain is rejected and one of a known domain is not`()
        throws
    {
        for name in ["a.example", "b.example", "c.example"] { try store.set(try exemption(name), at: now) }
        let other = try exemption("d.example")
        let error = error(of: other, at: now)
        #expect(error == .tooMany(limit: 3))
        try store.set(try testOverride(.pin([]), of: "a.example", since: now), at: now)
        let removed = store.remove(try domain("b.example"), at: now)
        #expect(removed.removed?.domain == (try domain("b.example")))
        try store.set(other, at: now)
        #expect(store.count == 3)
    }

    @Test mutating func `an override whose end is in the past is rejected`() throws {
        let late = try exemption(for: Self.hour)
        let error = error(of: late, at: now + Self.hour)
        #expect(error == .hasEnded)
        #expect(store.count == 0)
    }

    @Test mutating func `removing an exemption does not remove a pin that was set in between`() throws {
        let pin = try testOverride(.pin([]), of: "example.com", since: now)
        try store.set(try exemption(), at: now)
        try store.set(pin, at: now)
        let saved = store.remove(pin.domain, category: .exemption, at: now)
        #expect(saved == .otherCategory(pin))
        #expect(store.override(of: pin.domain, at: now) == pin)
        #expect(store.storeChanges == [.setOverride(pin)])
        let removed = store.remove(pin.domain, category: .pin, at: now)
        #expect(removed == .removed(pin))
        let again = store.remove(pin.domain, category: .pin, at: now)
        #expect(again == .notFound)
        #expect(store.storeChanges == [.removeOverride(pin.domain, at: now)])
    }

    @Test mutating func `removing without a category removes any override`() throws {
        for kind in [Override.Kind.exempt(mayEncrypt: true), .pin([])] {
            let override = try testOverride(kind, of: "example.com", since: now)
            try store.set(override, at: now)
            let removed = store.remove(override.domain, at: now)
            #expect(removed == .removed(override))
        }
    }

    // MARK: Ends

    /// Events and their times after the beginning, checked every minute over `span`.
    private mutating func reported(within span: Duration) -> [(after: Duration, event: OverrideStore.Event)] {
        stride(from: 0, through: span.components.seconds, by: 60).flatMap { seconds in
            store.due(at: now + .seconds(seconds)).map { (.seconds(seconds), $0) }
        }
    }

    @Test(arguments: [(24 * 7, 24 * 6), (48, 24), (47, 24), (2, 1)])
    mutating func `the end is reported once a day before or at half of a shorter duration, and once when it is reached`(
        hours: Int, warning: Int
    ) throws {
        let override = try exemption(for: Self.hour * hours)
        try store.set(override, at: now)
        let reported = reported(within: Self.hour * (hours + 24))
        #expect(reported.map(\.event) == [.endsSoon(override), .ended(override)])
        let first = try #require(reported.first?.after)
        #expect(first <= Self.hour * warning && first > Self.hour * (warning - 1))
        #expect(reported.last?.after == Self.hour * hours)
        #expect(store.overrides(at: now + Self.hour * hours) == [])
    }

    @Test mutating func `an end that was missed is reported without its warning`() throws {
        let override = try exemption(for: Self.hour)
        try store.set(override, at: now)
        let events = store.due(at: now + Self.hour * 100)
        #expect(events == [.ended(override)])
        let more = store.due(at: now + Self.hour * 160)
        #expect(more == [])
        let last = store.due(at: now + Self.hour * 169)
        #expect(last == [.dropped(override)])
        #expect(store.count == 0)
    }

    @Test mutating func `an end that was missed for long is reported, and the override is dropped`() throws {
        let override = try exemption(for: Self.hour)
        try store.set(override, at: now)
        let events = store.due(at: now + Self.hour * 1_000)
        #expect(events == [.ended(override), .dropped(override)])
        #expect(store.count == 0)
    }

    @Test mutating func `a clock that was ahead and is set back loses no override, and the real end is reported too`()
        throws
    {
        let override = try exemption(for: Self.hour * 10)
        try store.set(override, at: now)
        let early = store.due(at: now + Self.hour * 100)
        #expect(early == [.ended(override)])
        #expect(store.override(of: override.domain, at: now + Self.hour * 100) == nil)
        let back = store.due(at: now + Self.hour)
        #expect(back == [])
        #expect(store.override(of: override.domain, at: now + Self.hour) == override)
        let reported = reported(within: Self.hour * 11)
        #expect(reported.map(\.event) == [.endsSoon(override), .ended(override)])
    }

    @Test mutating func `an override that has ended is removed for a new one`() throws {
        try store.set(try exemption("ended.example", for: Self.hour), at: now)
        for name in ["a.example", "b.example"] { try store.set(try exemption(name), at: now) }
        let error = error(of: try exemption("c.example"), at: now)
        #expect(error == .tooMany(limit: 3))
        let dropped = try store.set(try exemption("c.example"), at: now + Self.hour)
        #expect(dropped?.domain == (try domain("ended.example")))
        #expect(store.overrides(at: now).map(\.domain.name.text) == ["a.example", "b.example", "c.example"])
    }

    @Test mutating func `an override without an end is never reported`() throws {
        try store.set(try exemption(), at: now)
        let reported = reported(within: Self.hour * 100)
        #expect(reported.isEmpty)
        #expect(store.count == 1)
    }

    @Test mutating func `each override has its own end, whatever the order in which they were set`() throws {
        for (name, hours) in [("b.example", 40), ("a.example", 10), ("c.example", 20)] {
            try store.set(try exemption(name, for: Self.hour * hours), at: now)
        }
        let reported = reported(within: Self.hour * 50)
        #expect(reported.map(\.after.components.seconds) == [5, 10, 10, 20, 20, 40].map { $0 * 3_600 })
    }

    @Test mutating func `an override that is replaced has a new end`() throws {
        try store.set(try exemption(for: Self.hour), at: now)
        try store.set(try exemption(), at: now)
        let reported = reported(within: Self.hour * 3)
        #expect(reported.isEmpty)
        #expect(store.count == 1)
    }

    // MARK: The store

    @Test mutating func `an override that was set here has precedence over one in the store`() throws {
        let known = try exemption()
        try store.set(known, at: now)
        let old = try testOverride(.pin([]), of: "example.com", since: now + .seconds(-60))
        let other = try testOverride(.pin([]), of: "other.example", since: now)
        let rejected = store.restore([.override(old), .override(other)], at: now)
        #expect(rejected == [])
        #expect(store.overrides(at: now) == [known, other])
    }

    @Test mutating func `an override that was removed or dropped here is not restored`() throws {
        let removed = try exemption("removed.example")
        let ended = try exemption("ended.example", for: Self.hour)
        _ = store.remove(removed.domain, at: now)
        try store.set(ended, at: now)
        _ = store.due(at: now + Self.hour * 200)
        let later = now + Self.hour * 200
        _ = store.restore([.override(removed), .override(ended)], at: later)
        #expect(store.count == 0)
        // Until it is set again.
        try store.set(removed, at: now)
        #expect(store.count == 1)
        #expect(store.storeChanges.contains(.setOverride(removed)))
        // The store may have a later override of that domain.
        #expect(store.storeChanges.contains(.removeOverride(ended.domain, at: ended.since)))
        #expect(!store.storeChanges.contains(.removeOverride(removed.domain, at: now)))
    }

    @Test mutating func `a later change in the store has precedence, unless its time is in the future`() throws {
        let name = "example.com"
        func pin(after delay: Duration) throws -> Override { try testOverride(.pin([]), of: name, since: now + delay) }
        try store.set(try exemption(name), at: now)
        let later = try pin(after: Self.hour)
        _ = store.restore([.override(later)], at: now)
        #expect(store.overrides(at: now) == [try exemption(name)])
        _ = store.restore([.override(later)], at: now + Self.hour)
        #expect(store.overrides(at: now) == [later])
        _ = store.remove(later.domain, at: now + Self.hour * 2)
        _ = store.restore([.override(later)], at: now + Self.hour * 3)
        #expect(store.count == 0)
        let last = try pin(after: Self.hour * 3)
        _ = store.restore([.override(last)], at: now + Self.hour * 3)
        #expect(store.overrides(at: now) == [last])
        #expect(store.storeChanges == [.setOverride(last)])
    }

    @Test mutating func `each change is counted, also one that the store makes`() throws {
        try store.set(try exemption(), at: now)
        _ = store.remove(try domain("example.com"), at: now)
        let count = store.changeCount
        _ = store.restore([], replacingAll: true, at: now)
        #expect(store.changeCount > count)
    }

    @Test mutating func `overrides above the capacity are rejected and returned`() throws {
        let stored = try (1...5).map { try exemption("d\($0).example") }
        let rejected = store.restore(stored.map(StoredOverride.override), at: now)
        #expect(rejected == Array(stored.suffix(2)))
        #expect(store.count == 3)
    }

    @Test mutating func `observe mode is as it was set last`() throws {
        let on = ObserveModeChange(isOn: true, author: "root", since: now)
        let off = ObserveModeChange(isOn: false, author: "root", since: now)
        _ = store.restore([.observe(on)], at: now)
        #expect(store.observe == on)
        store.setObserveMode(off)
        _ = store.restore([.observe(on), .unreadable(subject: "x", reason: "y")], at: now)
        #expect(store.observe == off)
        #expect(store.storeChanges == [.observe(off)])
        let later = ObserveModeChange(isOn: true, author: "root", since: now + Self.hour)
        _ = store.restore([.observe(later)], at: now)
        #expect(store.observe == off)
        _ = store.restore([.observe(later)], at: now + Self.hour)
        #expect(store.observe == later)
    }

    @Test mutating func `removed domains are remembered up to the capacity`() throws {
        for number in 1...100 { _ = store.remove(try domain("d\(number).example"), at: now) }
        #expect(store.storeChanges.count == 3)
    }
}
