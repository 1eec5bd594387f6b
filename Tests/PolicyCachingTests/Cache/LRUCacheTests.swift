import Testing

@testable import PolicyCaching

@Suite struct LRUCacheTests {
    private var cache = LRUCache<String, Int>(capacity: 2, priorities: 2)

    private mutating func value(_ handle: LRUCache<String, Int>.Handle) -> Int? {
        cache.use(handle) { $0 }
    }

    @Test mutating func `a handle leads to the value, and its use counts as a use of the key`() throws {
        _ = cache.store(1, for: "a", priority: 0)
        let handle = try #require(cache.handle(of: "a"))
        _ = cache.store(2, for: "b", priority: 0)
        #expect(value(handle) == 1)
        let evicted = cache.store(3, for: "c", priority: 0)
        #expect(evicted.map(\.key) == ["b"])
        #expect(value(handle) == 1)
        #expect(cache.handle(of: "b") == nil)
    }

    @Test mutating func `each change of a value makes its handle outdated`() throws {
        _ = cache.store(1, for: "a", priority: 0)
        let stored = try #require(cache.handle(of: "a"))
        _ = cache.store(1, for: "a", priority: nil)
        #expect(value(stored) == nil)
        let replaced = try #require(cache.handle(of: "a"))
        cache.replace(1, for: "a")
        #expect(value(replaced) == nil)
        let moved = try #require(cache.handle(of: "a"))
        cache.replace(1, for: "a", priority: 0)
        #expect(value(moved) == nil)
    }

    @Test mutating func `a handle never leads to the next value in its slot`() throws {
        _ = cache.store(1, for: "a", priority: 0)
        let removed = try #require(cache.handle(of: "a"))
        cache.remove("a")
        #expect(value(removed) == nil)
        _ = cache.store(2, for: "b", priority: 0)
        #expect(value(removed) == nil)
        let evicted = try #require(cache.handle(of: "b"))
        for (number, key) in ["c", "d", "e"].enumerated() { _ = cache.store(number, for: key, priority: 0) }
        #expect(value(evicted) == nil)
    }
}
