import Discovery
import Foundation
import Testing

@testable import CurlHTTPS

extension AgainstNginx {
    /// Many fetches at once: their order, their results, and leaks.
    @Suite struct CurlLoopTests {
        let nginx: NginxFixture

        init() throws { nginx = try #require(NginxFixture.current) }

        private static let silent = "127.0.0.5"

        @Test func `200 fetches at once`() async throws {
            let fetcher = try nginx.fetcher(maximumInFlight: 64)
            let answers = try await responses(of: fetcher, count: 200)
            await fetcher.close()
            #expect(answers == 200)
        }

        @Test func `many fetches share one slot`() async throws {
            let fetcher = try nginx.fetcher(maximumInFlight: 1)
            let answers = try await responses(of: fetcher, count: 20)
            await fetcher.close()
            #expect(answers == 20)
        }

        @Test func `200 fetches leak no descriptor`() async throws {
            let fetcher = try nginx.fetcher()
            _ = try await responses(of: fetcher, count: 10)
            let before = try openDescriptors()
            _ = try await responses(of: fetcher, count: 200)
            for _ in 1...20 {
                for host in ["mta-sts.expired.test", "status-404.site.test", "endless.site.test"] {
                    _ = await fetcher.result(try PolicyRequest(nginx: host))
                }
            }
            #expect(try await descriptors(fallTo: before))
            await fetcher.close()
        }

        @Test func `neither a closed fetcher nor a released one leaks a descriptor`() async throws {
            let before = try openDescriptors()
            for _ in 1...20 {
                let fetcher = try nginx.fetcher()
                _ = try await fetcher.fetch(PolicyRequest(nginx: "echo.site.test"))
                await fetcher.close()
            }
            #expect(try await descriptors(fallTo: before))
            for _ in 1...20 { _ = try nginx.fetcher() }
            #expect(try await descriptors(fallTo: before))
        }

        @Test func `the time limit includes the wait for a slot, and a fetch without a slot is a local error`()
            async throws
        {
            let peer = try TestPeer(.silent, address: Self.silent, port: nginx.port)
            defer { peer.close() }
            let fetcher = try nginx.fetcher(timeout: .seconds(1), maximumInFlight: 1)
            let start = ContinuousClock.now
            let requests = [try PolicyRequest(nginx: "echo.site.test", at: [Self.silent])]
            async let first = fetcher.result(requests[0])
            async let second = fetcher.result(requests[0])
            let failures = await [first.failure, second.failure]
            await fetcher.close()
            #expect(failures.contains(.transport(.timedOut(after: .seconds(1)))))
            #expect(failures.filter { if case .noSlot = $0 { true } else { false } }.count == 1)
            #expect(.now - start < .milliseconds(1_900))
        }

        @Test func `a cancelled task ends its own fetch only`() async throws {
            let peer = try TestPeer(.silent, address: Self.silent, port: nginx.port)
            defer { peer.close() }
            // There are two slots, so the fourth fetch runs only because a cancelled one releases its slot.
            let fetcher = try nginx.fetcher(maximumInFlight: 2)
            let stuck = try PolicyRequest(nginx: "echo.site.test", at: [Self.silent])
            let fine = try PolicyRequest(nginx: "echo.site.test")
            let running = Task { await fetcher.result(stuck) }
            let other = Task { await fetcher.result(stuck) }
            let third = Task { await fetcher.result(stuck) }
            running.cancel()
            third.cancel()
            #expect(await running.value.failure == .cancelled)
            #expect(await third.value.failure == .cancelled)
            #expect(await fetcher.result(fine).failure == nil)
            other.cancel()
            #expect(await other.value.failure == .cancelled)
            await fetcher.close()
        }

        @Test func `a cancelled task gets no fetch`() async throws {
            let fetcher = try nginx.fetcher()
            let request = try PolicyRequest(nginx: "echo.site.test")
            let gate = AsyncStream<Void>.makeStream()
            let task = Task {
                for await _ in gate.stream {}
                return await fetcher.result(request)
            }
            task.cancel()
            gate.continuation.finish()
            #expect(await task.value.failure == .cancelled)
            await fetcher.close()
        }

        @Test func `with cancellations at any moment each fetch finishes once`() async throws {
            let fetcher = try nginx.fetcher(maximumInFlight: 8)
            let request = try PolicyRequest(nginx: "echo.site.test")
            let settled = await withTaskGroup(of: Bool.self) { group in
                for number in 0..<200 {
                    let task = Task { await fetcher.result(request) }
                    group.addTask {
                        for _ in 0..<(number % 40) { await Task.yield() }
                        task.cancel()
                        let failure = await task.value.failure
                        return failure == nil || failure == .cancelled
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            await fetcher.close()
            #expect(settled == 200)
        }

        @Test func `closing cancels running, waiting and later fetches`() async throws {
            let peer = try TestPeer(.silent, address: Self.silent, port: nginx.port)
            defer { peer.close() }
            let fetcher = try nginx.fetcher(maximumInFlight: 4)
            let request = try PolicyRequest(nginx: "echo.site.test", at: [Self.silent])
            let tasks = (1...10).map { _ in Task { await fetcher.result(request) } }
            await fetcher.close()
            await fetcher.close()
            for task in tasks { #expect(await task.value.failure == .cancelled) }
            #expect(await fetcher.result(request).failure == .cancelled)
        }

        /// The number of policies from `count` concurrent fetches.
        private func responses(of fetcher: CurlFetcher, count: Int) async throws -> Int {
            let request = try PolicyRequest(nginx: "echo.site.test")
            return await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<count { group.addTask { await fetcher.result(request).failure == nil } }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
        }

        /// The threads of released fetchers and of test servers end soon, but there is no signal for it. Other suites of this
        /// process open and close descriptors at the same time, hence the tolerance of ten; the callers open more.
        private func descriptors(fallTo count: Int) async throws -> Bool {
            let limit = ContinuousClock.now + .seconds(10)
            while try openDescriptors() > count + 10, .now < limit, !Task.isCancelled { await Task.yield() }
            return try openDescriptors() <= count + 10
        }

        private func openDescriptors() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
        }
    }
}
