import Testing

@testable import SQLiteStore

@Suite(.timeLimit(.minutes(5))) struct CallTimeoutsTests {
    @Test func `a later call with a shorter timeout ends first`() async {
        let timeouts = CallTimeouts()
        let long = timeouts.add(after: .seconds(3_600)) { Issue.record("an hour has not passed") }
        await withCheckedContinuation { continuation in
            _ = timeouts.add(after: .milliseconds(1)) { continuation.resume() }
        }
        timeouts.remove(long)
    }

    @Test func `calls end in the order of their deadlines, and each once`() async {
        let timeouts = CallTimeouts()
        let (order, continuation) = AsyncStream<Int>.makeStream()
        for delay in [3, 1, 2] {
            _ = timeouts.add(after: .seconds(delay)) { continuation.yield(delay) }
        }
        var delays = order.makeAsyncIterator()
        for expected in [1, 2, 3] { #expect(await delays.next() == expected) }
    }

    @Test func `a removed call does not end, and the others still do`() async {
        let timeouts = CallTimeouts()
        let removed = timeouts.add(after: .seconds(2)) { Issue.record("the call was removed") }
        timeouts.remove(removed)
        await withCheckedContinuation { continuation in
            _ = timeouts.add(after: .seconds(3)) { continuation.resume() }
        }
    }
}
