import Testing

@testable import PolicyRuntime

@Suite struct LogOnceTests {
    @Test func `each subject is new once, and again after a reset`() {
        var once = LogOnce(limit: 10, whenFull: .stop)
        #expect(once.isNew("a") && once.isNew("b") && !once.isNew("a"))
        once.reset()
        #expect(once.isNew("a") && !once.isNew("a"))
    }

    @Test func `a full memory stops, or starts over`() {
        var stopping = LogOnce(limit: 2, whenFull: .stop)
        #expect(["a", "b", "c", "a"].map { stopping.isNew($0) } == [true, true, false, false])
        var restarting = LogOnce(limit: 2, whenFull: .startOver)
        #expect(["a", "b", "c", "c", "a"].map { restarting.isNew($0) } == [true, true, true, false, true])
    }

    @Test func `after a reset, a full memory accepts subjects again`() {
        var once = LogOnce(limit: 1, whenFull: .stop)
        #expect(once.isNew("a") && !once.isNew("b"))
        once.reset()
        #expect(once.isNew("b") && !once.isNew("a"))
    }
}
