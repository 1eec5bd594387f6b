import Foundation
import PostfixConfig
import Synchronization
import Testing
import TestSupport

@testable import BridgeDaemon

/// When the watch runs postconf again.
@Suite(.timeLimit(.minutes(5))) struct PostfixWatchTests {
    /// A watch over one file. The test triggers each check.
    private final class Fixture: Sendable {
        let log = LogRecorder()
        let directory = NSTemporaryDirectory() + "sts-watch-\(UUID().uuidString.prefix(8))"
        /// The result of the next updates.
        let result = Mutex(PostfixUpdateResult.applied([]))
        private let updates = Mutex(0)
        private let checks: AsyncStream<Void>
        private let check: AsyncStream<Void>.Continuation
        private let (sleeps, sleep) = AsyncStream<Void>.makeStream()

        var path: String { directory + "/main.cf" }

        init() throws {
            (checks, check) = AsyncStream<Void>.makeStream()
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(atPath: directory) }

        func write(_ text: String) throws { try text.write(toFile: path, atomically: true, encoding: .utf8) }

        /// Runs `body` while the watch runs. The argument triggers checks and returns the number of updates that follow.
        func whileWatching(_ body: @escaping @Sendable (_ check: (Int) async -> Int) async throws -> Void) async throws
        {
            let watch = PostfixWatch(
                update: {
                    self.updates.withLock { $0 += 1 }
                    return self.result.withLock(\.self)
                }, files: { [self.path] }, loggedError: nil, logger: log.logger(),
                sleep: { _ in
                    self.sleep.yield()
                    for await _ in self.checks { return }
                })
            let task = Task { try await watch.run() }
            // The first check needs no trigger.
            var sleeps = sleeps.makeAsyncIterator()
            _ = await sleeps.next()
            try await body { count in
                let before = self.updates.withLock(\.self)
                for _ in 0..<count {
                    self.check.yield()
                    _ = await sleeps.next()
                }
                return self.updates.withLock(\.self) - before
            }
            task.cancel()
            check.finish()
            try await task.value
        }
    }

    @Test func `a change leads to one update, within 5 s, and no change to none`() async throws {
        let fixture = try Fixture()
        try fixture.write("a")
        #expect(PostfixWatch.interval * 2 < .seconds(5))
        try await fixture.whileWatching { check in
            // The settings from before the watch.
            #expect(await check(1) == 1)
            #expect(await check(5) == 0)
            try fixture.write("b")
            #expect(await check(2) == 1)
            #expect(await check(5) == 0)
            try FileManager.default.removeItem(atPath: fixture.path)
            #expect(await check(2) == 1)
            try fixture.write("b")
            #expect(await check(2) == 1)
        }
        #expect(fixture.log.entries.isEmpty)
    }

    @Test func `a file that is still being written triggers no update`() async throws {
        let fixture = try Fixture()
        try fixture.write("a")
        try await fixture.whileWatching { check in
            #expect(await check(2) == 1)
            for count in 2...6 {
                try fixture.write(String(repeating: "b", count: count))
                #expect(await check(1) == 0)
            }
            #expect(await check(1) == 1)
        }
    }

    @Test func `while postconf fails it runs once a minute, and after each change; the log has one line`() async throws
    {
        let fixture = try Fixture()
        try fixture.write("a")
        fixture.result.withLock { $0 = .failed(.timedOut) }
        try await fixture.whileWatching { check in
            #expect(await check(1) == 1)
            #expect(await check(PostfixWatch.checksBetweenAttempts - 1) == 0)
            #expect(await check(1) == 1)
            try fixture.write("b")
            #expect(await check(2) == 1)
            fixture.result.withLock { $0 = .applied([]) }
            #expect(await check(PostfixWatch.checksBetweenAttempts) == 1)
            #expect(await check(2 * PostfixWatch.checksBetweenAttempts) == 0)
        }
        #expect(fixture.log.entries.map(\.level) == [.warning])
    }

    @Test func `the watch covers main cf and master cf`() {
        let profile = PostfixProfile(
            release: nil, validatesDNS: false, securityLevel: SecurityLevel("may"), configurationDirectory: "/etc/x")
        let files = PostfixWatch.files(after: PostconfResult(profile: profile))
        #expect(files.suffix(2) == ["/etc/x/main.cf", "/etc/x/master.cf"])
    }
}
