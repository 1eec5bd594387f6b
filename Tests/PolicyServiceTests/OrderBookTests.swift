import MTASTS
import PolicyService
import Testing
import TestSupport

@Suite struct OrderBookTests {
    private static let hour = Duration.seconds(3_600)
    private let now = ManualTime().now
    private var book = OrderBook(capacity: 3)

    private func exemption(_ name: String = "example.com", for span: Duration? = nil) throws -> DomainOverride {
        try order(.exempt(mayEncrypt: false), name, since: now, until: span.map { now + $0 })
    }

    private mutating func refusal(of override: DomainOverride, at now: WallTime) -> OrderRefusal? {
        do throws(OrderRefusal) {
            try book.order(override, at: now)
            return nil
        } catch {
            return error
        }
    }

    @Test mutating func `an order is one domain's, and not its subdomains'`() throws {
        let override = try exemption()
        try book.order(override, at: now)
        #expect(book.override(of: try domain("example.com"), at: now) == override)
        #expect(book.override(of: try domain("mail.example.com"), at: now) == nil)
        #expect(book.override(of: try domain("example.org"), at: now) == nil)
    }

    @Test mutating func `a later order of a domain replaces the earlier one`() throws {
        try book.order(try exemption(), at: now)
        let pin = try order(.pin([]), "example.com", since: now)
        try book.order(pin, at: now)
        #expect(book.overrides(at: now) == [pin])
    }

    @Test mutating func `an inherited archive has the last word, but for what has ended here`() throws {
        for name in ["a.example", "b.example"] { try book.order(try exemption(name), at: now) }
        _ = book.remove(try domain("b.example"))
        let kept = try ["b.example", "c.example"].map { ArchivedOrder.override(try exemption($0)) }
        _ = book.restore(kept, inPlaceOfAll: true)
        #expect(book.overrides(at: now).map(\.domain.name.text) == ["c.example"])
    }

    @Test mutating func `what was told of an order is not told again of the same one in an inherited archive`() throws {
        let (ended, other) = (try exemption(for: Self.hour), try exemption(for: Self.hour * 2))
        try book.order(ended, at: now)
        _ = book.due(at: now + Self.hour)
        _ = book.restore([.override(ended)], inPlaceOfAll: true)
        let again = book.due(at: now + Self.hour)
        #expect(again == [])
        _ = book.restore([.override(other)], inPlaceOfAll: true)
        let anew = book.due(at: now + Self.hour)
        #expect(anew == [.endsSoon(other)])
    }

    @Test mutating func `orders are told by domain, as long as they are in force`() throws {
        for name in ["c.example", "a.example", "b.example"] {
            try book.order(try exemption(name, for: name == "b.example" ? Self.hour : nil), at: now)
        }
        #expect(book.overrides(at: now).map(\.domain.name.text) == ["a.example", "b.example", "c.example"])
        #expect(book.overrides(at: now + Self.hour).map(\.domain.name.text) == ["a.example", "c.example"])
        #expect(book.override(of: try domain("b.example"), at: now + Self.hour) == nil)
    }

    @Test mutating func `when there are too many, another domain's order is refused and a known one's is not`() throws {
        for name in ["a.example", "b.example", "c.example"] { try book.order(try exemption(name), at: now) }
        let other = try exemption("d.example")
        let refusal = refusal(of: other, at: now)
        #expect(refusal == .tooMany(limit: 3))
        try book.order(try order(.pin([]), "a.example", since: now), at: now)
        let removed = book.remove(try domain("b.example"))
        #expect(removed != nil)
        try book.order(other, at: now)
        #expect(book.count == 3)
    }

    @Test mutating func `an order whose end has passed is refused`() throws {
        let late = try exemption(for: Self.hour)
        let refusal = refusal(of: late, at: now + Self.hour)
        #expect(refusal == .hasEnded)
        #expect(book.count == 0)
    }

    // MARK: The ends

    /// How long after the beginning something is told, looked for every minute over `span`.
    private mutating func told(within span: Duration) -> [(after: Duration, news: OrderBook.News)] {
        stride(from: 0, through: span.components.seconds, by: 60).flatMap { seconds in
            book.due(at: now + .seconds(seconds)).map { (.seconds(seconds), $0) }
        }
    }

    @Test(arguments: [(24 * 7, 24 * 6), (48, 24), (47, 24), (2, 1)])
    mutating func `a day before the end, or when half of a shorter span has passed, it is told once; the end too`(
        hours: Int, warning: Int
    ) throws {
        let override = try exemption(for: Self.hour * hours)
        try book.order(override, at: now)
        let told = told(within: Self.hour * (hours + 24))
        #expect(told.map(\.news) == [.endsSoon(override), .ended(override)])
        let first = try #require(told.first?.after)
        #expect(first <= Self.hour * warning && first > Self.hour * (warning - 1))
        #expect(told.last?.after == Self.hour * hours)
        #expect(book.overrides(at: now + Self.hour * hours) == [])
    }

    @Test mutating func `an end that nobody saw is told, without its warning`() throws {
        let override = try exemption(for: Self.hour)
        try book.order(override, at: now)
        let news = book.due(at: now + Self.hour * 100)
        #expect(news == [.ended(override)])
        let more = book.due(at: now + Self.hour * 160)
        #expect(more == [])
        let last = book.due(at: now + Self.hour * 169)
        #expect(last == [.dropped(override)])
        #expect(book.count == 0)
    }

    @Test mutating func `an end so long ago that nobody saw anything is told, and the order dropped`() throws {
        let override = try exemption(for: Self.hour)
        try book.order(override, at: now)
        let news = book.due(at: now + Self.hour * 1_000)
        #expect(news == [.ended(override), .dropped(override)])
        #expect(book.count == 0)
    }

    @Test mutating func `a clock that was ahead and comes back loses no order, and the real end is told too`() throws {
        let override = try exemption(for: Self.hour * 10)
        try book.order(override, at: now)
        let early = book.due(at: now + Self.hour * 100)
        #expect(early == [.ended(override)])
        #expect(book.override(of: override.domain, at: now + Self.hour * 100) == nil)
        let back = book.due(at: now + Self.hour)
        #expect(back == [])
        #expect(book.override(of: override.domain, at: now + Self.hour) == override)
        let told = told(within: Self.hour * 11)
        #expect(told.map(\.news) == [.endsSoon(override), .ended(override)])
    }

    @Test mutating func `an order that has ended makes room`() throws {
        try book.order(try exemption("ended.example", for: Self.hour), at: now)
        for name in ["a.example", "b.example"] { try book.order(try exemption(name), at: now) }
        let refusal = refusal(of: try exemption("c.example"), at: now)
        #expect(refusal == .tooMany(limit: 3))
        try book.order(try exemption("c.example"), at: now + Self.hour)
        #expect(book.overrides(at: now).map(\.domain.name.text) == ["a.example", "b.example", "c.example"])
    }

    @Test mutating func `an order without an end is never told of`() throws {
        try book.order(try exemption(), at: now)
        let told = told(within: Self.hour * 100)
        #expect(told.isEmpty)
        #expect(book.count == 1)
    }

    @Test mutating func `each order has its own end, in whichever order they came`() throws {
        for (name, hours) in [("b.example", 40), ("a.example", 10), ("c.example", 20)] {
            try book.order(try exemption(name, for: Self.hour * hours), at: now)
        }
        let told = told(within: Self.hour * 50)
        #expect(told.map(\.after.components.seconds) == [5, 10, 10, 20, 20, 40].map { $0 * 3_600 })
    }

    @Test mutating func `an order that is replaced has a new end`() throws {
        try book.order(try exemption(for: Self.hour), at: now)
        try book.order(try exemption(), at: now)
        let told = told(within: Self.hour * 3)
        #expect(told.isEmpty)
        #expect(book.count == 1)
    }

    // MARK: The archive

    @Test mutating func `what was ordered here goes before what an archive kept`() throws {
        let known = try exemption()
        try book.order(known, at: now)
        let old = try order(.pin([]), "example.com", since: now + .seconds(-60))
        let other = try order(.pin([]), "other.example", since: now)
        let leftOut = book.restore([.override(old), .override(other)])
        #expect(leftOut == [])
        #expect(book.overrides(at: now) == [known, other])
    }

    @Test mutating func `what was removed or dropped here is not taken in again`() throws {
        let removed = try exemption("removed.example")
        let ended = try exemption("ended.example", for: Self.hour)
        _ = book.remove(removed.domain)
        try book.order(ended, at: now)
        _ = book.due(at: now + Self.hour * 200)
        _ = book.restore([.override(removed), .override(ended)])
        #expect(book.count == 0)
        // Until it is ordered again.
        try book.order(removed, at: now)
        #expect(book.count == 1)
        #expect(book.everything.contains(.order(removed)))
        #expect(book.everything.contains(.lift(ended.domain)))
        #expect(!book.everything.contains(.lift(removed.domain)))
    }

    @Test mutating func `what there is no room for is left out and told`() throws {
        let kept = try (1...5).map { try exemption("d\($0).example") }
        let leftOut = book.restore(kept.map(ArchivedOrder.override))
        #expect(leftOut == Array(kept.suffix(2)))
        #expect(book.count == 3)
    }

    @Test mutating func `observe mode is what was ordered last`() throws {
        let on = ObserveOrder(isOn: true, author: "root", since: now)
        let off = ObserveOrder(isOn: false, author: "root", since: now)
        _ = book.restore([.observe(on)])
        #expect(book.observe == on)
        book.order(off)
        _ = book.restore([.observe(on), .unreadable(subject: "x", reason: "y")])
        #expect(book.observe == off)
        #expect(book.everything == [.observe(off)])
    }

    @Test mutating func `what was removed is remembered of so many domains only`() throws {
        for number in 1...100 { _ = book.remove(try domain("d\(number).example")) }
        #expect(book.everything.count == 3)
    }
}
