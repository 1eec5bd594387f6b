import TableServer
import Testing

@Suite struct ReentryGuardTests {
    @Test func `work that is requested from within itself runs once more, after it has ended`() {
        var reentry = ReentryGuard()
        var depth = 0
        var runs = 0
        func work() {
            guard reentry.enter() else { return }
            repeat {
                depth += 1
                runs += 1
                #expect(depth == 1)
                // Two requests within one run are one.
                if runs < 3 {
                    work()
                    work()
                }
                depth -= 1
            } while reentry.leave()
        }
        work()
        #expect(runs == 3)
        work()
        #expect(runs == 4)
    }
}
