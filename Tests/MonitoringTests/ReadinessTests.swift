import ServiceLifecycle
import Testing
import TestSupport

@testable import Monitoring

@Suite(.timeLimit(.minutes(5))) struct ReadinessTests {
    @Test func `it is ready when all conditions are met, in whatever order and however often`() {
        let readiness = Readiness()
        #expect(readiness.notReadyReason == "not all listeners are bound yet")
        readiness.fulfil(.store)
        readiness.fulfil(.store)
        #expect(readiness.notReadyReason == "not all listeners are bound yet")
        readiness.fulfil(.listeners)
        #expect(readiness.notReadyReason == nil)
    }

    @Test func `the store alone keeps it from being ready too`() {
        let readiness = Readiness()
        readiness.fulfil(.listeners)
        #expect(readiness.notReadyReason == "the cached policies are not loaded yet")
    }

    @Test func `from the stop on it is not ready, whatever is met`() async throws {
        let readiness = Readiness()
        for condition in Readiness.Condition.allCases { readiness.fulfil(condition) }
        let group = ServiceGroup(services: [readiness], logger: LogRecorder().logger())
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        #expect(readiness.notReadyReason == "stopping, pending lookups are answered")
        readiness.fulfil(.store)
        #expect(readiness.notReadyReason != nil)
    }
}
