import Foundation
import Synchronization
import Testing
import TestSupport
import UnboundDNS

@testable import BridgeConfiguration
@testable import BridgeDaemon

@Suite(.timeLimit(.minutes(5))) struct NameServerWatchTests {
    @Test func `if zone keys cannot be forgotten, each check tries again, with one warning`() async throws {
        let path = NSTemporaryDirectory() + "sts-resolv-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try "nameserver 192.0.2.1\n".write(toFile: path, atomically: true, encoding: .utf8)
        let log = LogRecorder()
        let upstream = try Upstream(Configuration(), wantsDANE: false, logger: log.logger())
        let isFailing = Mutex(false)
        let attempts = Mutex(0)
        let (checks, check) = AsyncStream<Void>.makeStream()
        let (sleeps, sleep) = AsyncStream<Void>.makeStream()
        let watch = NameServerWatch(
            upstream: { upstream }, logger: log.logger(), path: path,
            forgetKeys: { _ throws(UnboundSetupError) in
                attempts.withLock { $0 += 1 }
                if isFailing.withLock(\.self) { throw .library(step: "descriptors", reason: "Too many open files") }
            },
            sleep: { _ in
                sleep.yield()
                for await _ in checks { return }
            })
        let task = Task { try await watch.run() }
        var iterator = sleeps.makeAsyncIterator()
        _ = await iterator.next()
        /// Returns the number of attempts in `count` checks.
        func attemptCount(in count: Int) async -> Int {
            let before = attempts.withLock(\.self)
            for _ in 0..<count {
                check.yield()
                _ = await iterator.next()
            }
            return attempts.withLock(\.self) - before
        }
        #expect(attempts.withLock(\.self) == 1)
        #expect(await attemptCount(in: 3) == 0)
        isFailing.withLock { $0 = true }
        try "nameserver 192.0.2.22\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(await attemptCount(in: 3) == 3)
        #expect(upstream.servers.map(\.description) == ["192.0.2.22"])
        isFailing.withLock { $0 = false }
        #expect(await attemptCount(in: 3) == 1)
        task.cancel()
        check.finish()
        try await task.value
        await upstream.close()
        let warning = "cannot drop DNSSEC keys from the old DNS servers, trying again"
        #expect(log.messages.count { $0 == warning } == 1)
        #expect(
            log.entries.first { $0.message == warning }?.facts["reason"]
                == "libunbound: descriptors: Too many open files")
    }
}
