import Discovery
import Testing

@testable import CurlHTTPS

/// The dispatcher with threads that the tests play: they take the commands and report the ends of transfers.
@Suite(.timeLimit(.minutes(5))) struct FetchDispatcherTests {
    private final class Fixture {
        let threads: [CurlThread]
        let dispatcher: FetchDispatcher
        private let request: PolicyRequest
        let response: PolicyResponse

        init(threads count: Int = 2, slots: Int = 64) throws {
            threads = try (0..<count).map { _ in try CurlThread() }
            dispatcher = FetchDispatcher(
                schedule: FetchSchedule(timeout: .seconds(12), limits: FetchLimits(slots: slots, waiting: 100)),
                threads: threads.map(\.commandQueue), onLoadChange: { _ in })
            let address = try #require(IPAddress("192.0.2.1"))
            request = PolicyRequest(
                host: "mta-sts.example.test", url: "https://mta-sts.example.test/", addresses: [address],
                domain: "example.test")
            response = PolicyResponse(
                body: [], contentTypes: [], address: address, httpVersion: "HTTP/2",
                tls: TLSSummary(issuer: nil, notAfter: nil))
        }

        deinit { threads.forEach { $0.release() } }

        func fetch(_ id: FetchID) -> Task<Result<PolicyResponse, FetchError>, Never> {
            Task { [dispatcher, request] in
                await withTaskCancellationHandler {
                    await withCheckedContinuation { dispatcher.start(id, request: request, reply: $0) }
                } onCancel: {
                    dispatcher.cancel(id)
                }
            }
        }

        /// The next commands of a thread, at least one.
        func commands(of thread: Int) async -> [CurlCommandQueue.Command] {
            while !Task.isCancelled {
                let commands = threads[thread].commandQueue.takeCommands().commands
                if !commands.isEmpty { return commands }
                await Task.yield()
            }
            return []
        }

        /// The transfer that the thread is to start next.
        func nextTransfer(of thread: Int) async throws -> TransferID {
            guard case .connect(let transfer, _, _, _, _) = await commands(of: thread).first else {
                throw CancellationError()
            }
            return transfer
        }
    }

    @Test func `a fetch goes to the thread with the fewest transfers, and alone to the first`() async throws {
        let fixture = try Fixture()
        for _ in 1...2 {
            let id = fixture.dispatcher.newID()
            let task = fixture.fetch(id)
            let transfer = try await fixture.nextTransfer(of: 0)
            fixture.dispatcher.transferEnded(transfer, of: id, result: .answered(fixture.response))
            #expect(await task.value == .success(fixture.response))
        }
        let ids = (1...2).map { _ in fixture.dispatcher.newID() }
        let first = fixture.fetch(ids[0])
        let transfer = try await fixture.nextTransfer(of: 0)
        let second = fixture.fetch(ids[1])
        let other = try await fixture.nextTransfer(of: 1)
        fixture.dispatcher.transferEnded(transfer, of: ids[0], result: .answered(fixture.response))
        fixture.dispatcher.transferEnded(other, of: ids[1], result: .refused(.cancelled))
        #expect(await first.value == .success(fixture.response))
        #expect(await second.value == .failure(.cancelled))
    }

    @Test func `the end of a transfer that was cancelled has no effect on another`() async throws {
        let fixture = try Fixture(threads: 1)
        let ids = (1...2).map { _ in fixture.dispatcher.newID() }
        let cancelled = fixture.fetch(ids[0])
        let old = try await fixture.nextTransfer(of: 0)
        cancelled.cancel()
        #expect(await cancelled.value == .failure(.cancelled))
        guard case .disconnect(old) = await fixture.commands(of: 0).first else {
            Issue.record("the transfer is not ended")
            return
        }
        let running = fixture.fetch(ids[1])
        let new = try await fixture.nextTransfer(of: 0)
        fixture.dispatcher.transferEnded(old, of: ids[0], result: .answered(fixture.response))
        fixture.dispatcher.transferEnded(old, of: ids[1], result: .refused(.cancelled))
        fixture.dispatcher.transferEnded(new, of: ids[1], result: .answered(fixture.response))
        #expect(await running.value == .success(fixture.response))
    }

    @Test func `a closed dispatcher ends running, waiting and later fetches, and ignores late results`() async throws {
        let fixture = try Fixture(threads: 1, slots: 1)
        let ids = (1...3).map { _ in fixture.dispatcher.newID() }
        let running = fixture.fetch(ids[0])
        let transfer = try await fixture.nextTransfer(of: 0)
        let waiting = fixture.fetch(ids[1])
        fixture.dispatcher.close()
        #expect(fixture.threads[0].commandQueue.takeCommands().isClosing)
        fixture.dispatcher.transferEnded(transfer, of: ids[0], result: .answered(fixture.response))
        #expect(await running.value == .failure(.cancelled))
        #expect(await waiting.value == .failure(.cancelled))
        #expect(await fixture.fetch(ids[2]).value == .failure(.cancelled))
        #expect(fixture.threads[0].commandQueue.takeCommands().commands.isEmpty)
    }

    @Test func `the first thread gets a deadline while a fetch waits`() async throws {
        let fixture = try Fixture(slots: 1)
        #expect(fixture.dispatcher.expire() == nil)
        let running = fixture.fetch(fixture.dispatcher.newID())
        _ = try await fixture.nextTransfer(of: 0)
        #expect(fixture.dispatcher.expire() == nil)
        let waiting = fixture.fetch(fixture.dispatcher.newID())
        while fixture.dispatcher.expire() == nil, !Task.isCancelled { await Task.yield() }
        #expect(try #require(fixture.dispatcher.expire()) <= .now + .seconds(12))
        fixture.dispatcher.close()
        #expect(await running.value == .failure(.cancelled))
        #expect(await waiting.value == .failure(.cancelled))
    }
}
