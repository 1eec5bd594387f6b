import Synchronization
import Testing

@testable import BridgeDaemon

@Suite(.timeLimit(.minutes(5))) struct CodePageReleaseTests {
    /// What happened, in order.
    private final class Events: Sendable {
        let list = Mutex<[String]>([])

        func add(_ event: String) { list.withLock { $0.append(event) } }
    }

    @Test func `pages are released a moment after the policies are loaded, and the service goes on`() async {
        let (events, loaded, released) = (Events(), AsyncLatch(), AsyncLatch())
        let service = CodePageRelease(loaded: loaded) {
            events.add("waits \($0)")
        } release: {
            events.add("releases")
            released.open()
        }
        let task = Task {
            await service.run()
            events.add("ends")
        }
        events.add("loads")
        loaded.open()
        await released.wait()
        #expect(events.list.withLock(\.self) == ["loads", "waits 1.0 seconds", "releases"])
        task.cancel()
        await task.value
        #expect(events.list.withLock(\.last) == "ends")
    }

    @Test func `a stop before that releases nothing`() async {
        let (waiting, loaded) = (AsyncLatch(), AsyncLatch())
        let service = CodePageRelease(loaded: loaded) { _ in
            waiting.open()
            try await Task.sleep(for: .seconds(3600))
        } release: {
            Issue.record("released")
        }
        let task = Task { await service.run() }
        loaded.open()
        await waiting.wait()
        task.cancel()
        await task.value
    }
}
