import Discovery
import Foundation
import Testing

@testable import CurlHTTPS

extension AgainstNginx {
    /// Many fetches at once: their order, their ends, and what they leave behind.
    @Suite struct CurlLoopTests {
        let lab: Laboratory

        init() throws { lab = try #require(Laboratory.current) }

        private static let silent = "127.0.0.5"

        @Test func `200 fetches at once`() async throws {
            let fetcher = try lab.fetcher(maximumInFlight: 64)
            let answers = try await responses(of: fetcher, count: 200)
            await fetcher.close()
            #expect(answers == 200)
        }

        @Test func `one slot is enough for many`() async throws {
            let fetcher = try lab.fetcher(maximumInFlight: 1)
            let answers = try await responses(of: fetcher, count: 20)
            await fetcher.close()
            #expect(answers == 20)
        }

        @Test func `no descriptor is left after 200 fetches`() async throws {
            let fetcher = try lab.fetcher()
            _ = try await responses(of: fetcher, count: 10)
            let before = try openDescriptors()
            _ = try await responses(of: fetcher, count: 200)
            for _ in 1...20 {
                for host in ["mta-sts.expired.test", "status-404.lab.test", "endless.lab.test"] {
                    _ = await fetcher.result(try PolicyRequest(lab: host))
                }
            }
            #expect(try await descriptors(fallTo: before))
            await fetcher.close()
        }

        @Test func `a closed fetcher leaves no descriptor, nor does a forgotten one`() async throws {
            let before = try openDescriptors()
            for _ in 1...20 {
                let fetcher = try lab.fetcher()
                _ = try await fetcher.fetch(PolicyRequest(lab: "echo.lab.test"))
                await fetcher.close()
            }
            #expect(try await descriptors(fallTo: before))
            for _ in 1...20 { _ = try lab.fetcher() }
            #expect(try await descriptors(fallTo: before))
        }

        @Test func `the wait for a slot counts, and one that got none is no failed fetch`() async throws {
            let peer = try TestPeer(.silent, address: Self.silent, port: lab.port)
            defer { peer.close() }
            let fetcher = try lab.fetcher(timeout: .seconds(1), maximumInFlight: 1)
            let start = ContinuousClock.now
            let requests = [try PolicyRequest(lab: "echo.lab.test", at: [Self.silent])]
            async let first = fetcher.result(requests[0])
            async let second = fetcher.result(requests[0])
            let failures = await [first.failure, second.failure]
            await fetcher.close()
            #expect(failures.contains(.transport(.timedOut(after: .seconds(1)))))
            #expect(failures.filter { if case .noSlot = $0 { true } else { false } }.count == 1)
            #expect(.now - start < .milliseconds(1_900))
        }

        @Test func `a cancelled task ends its own fetch only`() async throws {
            let peer = try TestPeer(.silent, address: Self.silent, port: lab.port)
            defer { peer.close() }
            // Two slots, so that the fourth is served only because a cancelled one gives way.
            let fetcher = try lab.fetcher(maximumInFlight: 2)
            let stuck = try PolicyRequest(lab: "echo.lab.test", at: [Self.silent])
            let fine = try PolicyRequest(lab: "echo.lab.test")
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

        @Test func `a task that is cancelled already gets no fetch`() async throws {
            let fetcher = try lab.fetcher()
            let request = try PolicyRequest(lab: "echo.lab.test")
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

        @Test func `cancellations at any moment settle each fetch once`() async throws {
            let fetcher = try lab.fetcher(maximumInFlight: 8)
            let request = try PolicyRequest(lab: "echo.lab.test")
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

        @Test func `closing cancels what is in flight and what waits, and whatever comes later`() async throws {
            let peer = try TestPeer(.silent, address: Self.silent, port: lab.port)
            defer { peer.close() }
            let fetcher = try lab.fetcher(maximumInFlight: 4)
            let request = try PolicyRequest(lab: "echo.lab.test", at: [Self.silent])
            let tasks = (1...10).map { _ in Task { await fetcher.result(request) } }
            await fetcher.close()
            await fetcher.close()
            for task in tasks { #expect(await task.value.failure == .cancelled) }
            #expect(await fetcher.result(request).failure == .cancelled)
        }

        /// How many of `count` concurrent fetches bring a policy.
        private func responses(of fetcher: CurlFetcher, count: Int) async throws -> Int {
            let request = try PolicyRequest(lab: "echo.lab.test")
            return await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<count { group.addTask { await fetcher.result(request).failure == nil } }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
        }

        /// The threads of forgotten fetchers and of test servers (the endless one is in this process) end soon, but
        /// nobody says when.
        /// Other suites of this process open and close some meanwhile, hence the ten; who calls this has opened more.
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
