import Discovery
import PolicyCaching
import PolicyRuntime
import Synchronization
import TestSupport
import Testing

/// When a service reports that the store is loaded.
@Suite(.timeLimit(.minutes(5))) struct StartupTests {
    private let store = MemoryPolicyStore()
    private let loaded = Gate()
    private let calls = Calls()
    private let log = LogRecorder()
    private let clock = ManualTime()

    private func run(_ store: any PolicyStore, _ test: @Sendable () async throws -> Void) async throws {
        let service = PolicyService(
            discovery: PolicyDiscovery(resolver: ScriptedResolver(), fetcher: ScriptedFetcher()), store: store,
            logger: log.logger(), now: { clock.now }, sleep: clock.sleep,
            onLoaded: {
                calls.count.wrappingAdd(1, ordering: .relaxed)
                loaded.open()
            })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await service.run() }
            try await test()
            group.cancelAll()
        }
    }

    @Test func `it reports when everything is loaded, not before`() async throws {
        let loading = store.pauseLoading()
        try await run(store) {
            await loading.arrivals()
            #expect(calls.count.load(ordering: .relaxed) == 0)
            loading.open()
            await loaded.pass()
            #expect(log.messages.contains("policies loaded"))
        }
    }

    @Test func `it also reports when the store cannot be read, and continues in memory`() async throws {
        store.fail(with: StoreError("disk gone"))
        try await run(store) {
            await loaded.pass()
            #expect(log.messages.contains("cache file error, continuing in memory"))
            #expect(!log.messages.contains("policies loaded"))
        }
    }

    @Test func `without a store it reports at once`() async throws {
        try await run(NoStore()) { await loaded.pass() }
    }
}

private final class Calls: Sendable {
    let count = Atomic(0)
}
