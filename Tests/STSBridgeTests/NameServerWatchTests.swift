import Foundation
import Synchronization
import TestSupport
import Testing
import UnboundDNS

@testable import STSBridge

/// What follows a change of resolv.conf.
@Suite(.timeLimit(.minutes(5))) struct NameServerWatchTests {
    @Test func `zone keys that cannot be forgotten are tried again at each look, with one warning`() async throws {
        let path = NSTemporaryDirectory() + "sts-resolv-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try "nameserver 192.0.2.1\n".write(toFile: path, atomically: true, encoding: .utf8)
        let log = LogRecorder()
        let upstream = try Upstream(Configuration(), wantsDANE: false, logger: log.logger())
        let isFailing = Mutex(false)
        let attempts = Mutex(0)
        let (looks, look) = AsyncStream<Void>.makeStream()
        let (waits, wait) = AsyncStream<Void>.makeStream()
        let watch = NameServerWatch(
            upstream: { upstream }, logger: log.logger(), path: path,
            forgetKeys: { _ throws(UnboundSetupFailure) in
                attempts.withLock { $0 += 1 }
                if isFailing.withLock(\.self) { throw .library(step: "descriptors", reason: "Too many open files") }
            },
            sleep: { _ in
                wait.yield()
                for await _ in looks { return }
            })
        let task = Task { try await watch.run() }
        var pauses = waits.makeAsyncIterator()
        _ = await pauses.next()
        /// Attempts in so many looks.
        func attemptsIn(_ count: Int) async -> Int {
            let before = attempts.withLock(\.self)
            for _ in 0..<count {
                look.yield()
                _ = await pauses.next()
            }
            return attempts.withLock(\.self) - before
        }
        #expect(attempts.withLock(\.self) == 1)
        #expect(await attemptsIn(3) == 0)
        isFailing.withLock { $0 = true }
        try "nameserver 192.0.2.22\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(await attemptsIn(3) == 3)
        #expect(upstream.servers.map(\.description) == ["192.0.2.22"])
        isFailing.withLock { $0 = false }
        #expect(await attemptsIn(3) == 1)
        task.cancel()
        look.finish()
        try await task.value
        await upstream.close()
        let warning = "DNSSEC keys from the old DNS servers are still used, trying again"
        #expect(log.messages.count { $0 == warning } == 1)
        #expect(
            log.entries.first { $0.message == warning }?.facts["reason"]
                == "libunbound: descriptors: Too many open files")
    }
}
