import Discovery
import PolicyService
import Synchronization
import TestSupport
import Testing

/// When a service says that it has what was kept.
@Suite(.timeLimit(.minutes(5))) struct LoadedTests {
    private let archive = MemoryArchive()
    private let loaded = Gate()
    private let calls = Calls()
    private let log = LogRecorder()
    private let clock = ManualTime()

    private func run(_ archive: any PolicyArchive, _ test: @Sendable () async throws -> Void) async throws {
        let service = PolicyService(
            discovery: PolicyDiscovery(resolver: ScriptedResolver(), fetcher: ScriptedFetcher()), archive: archive,
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

    @Test func `it says so when all is loaded, not before`() async throws {
        let loading = archive.holdLoading()
        try await run(archive) {
            await loading.arrivals()
            #expect(calls.count.load(ordering: .relaxed) == 0)
            loading.open()
            await loaded.pass()
            #expect(log.messages.contains("policies loaded"))
        }
    }

    @Test func `it says so, too, when the archive cannot be read: mail goes on from memory`() async throws {
        archive.fail(with: ArchiveFailure("disk gone"))
        try await run(archive) {
            await loaded.pass()
            #expect(log.messages.contains("archive failed, going on from memory"))
            #expect(!log.messages.contains("policies loaded"))
        }
    }

    @Test func `where nothing is kept there is nothing to wait for`() async throws {
        try await run(NoArchive()) { await loaded.pass() }
    }
}

private final class Calls: Sendable {
    let count = Atomic(0)
}
