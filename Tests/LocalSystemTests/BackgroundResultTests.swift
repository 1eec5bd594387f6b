import Dispatch
import Glibc
import LocalSystem
import Testing

@Suite struct BackgroundResultTests {
    @Test func `the function runs on another thread, and each caller gets its result`() {
        let caller = pthread_self()
        let result = BackgroundResult { pthread_equal(pthread_self(), caller) == 0 }
        #expect(result.value)
        #expect(result.value)
    }

    @Test func `the caller can work while the function runs`() {
        let work = DispatchSemaphore(value: 0)
        let result = BackgroundResult {
            work.wait()
            return 1
        }
        work.signal()
        #expect(result.value == 1)
    }
}
