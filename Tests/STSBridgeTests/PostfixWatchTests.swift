import Foundation
import PostfixSettings
import Synchronization
import TestSupport
import Testing

@testable import STSBridge

/// When postconf is asked again.
@Suite(.timeLimit(.minutes(5))) struct PostfixWatchTests {
    /// A watch over one file, whose looks the test makes one by one.
    private final class Lab: Sendable {
        let log = LogRecorder()
        let directory = NSTemporaryDirectory() + "sts-watch-\(UUID().uuidString.prefix(8))"
        /// What the next questions lead to.
        let outcome = Mutex(FollowOutcome.inForce([]))
        private let questions = Mutex(0)
        private let looks: AsyncStream<Void>
        private let look: AsyncStream<Void>.Continuation
        private let (waits, wait) = AsyncStream<Void>.makeStream()

        var path: String { directory + "/main.cf" }

        init() throws {
            (looks, look) = AsyncStream<Void>.makeStream()
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(atPath: directory) }

        func write(_ text: String) throws { try text.write(toFile: path, atomically: true, encoding: .utf8) }

        /// Runs `body` beside the watch. The argument makes so many looks and returns how many questions they led to.
        func watching(_ body: @escaping @Sendable (_ look: (Int) async -> Int) async throws -> Void) async throws {
            let watch = PostfixWatch(
                follow: {
                    self.questions.withLock { $0 += 1 }
                    return self.outcome.withLock(\.self)
                }, files: { [self.path] }, loggedFailure: nil, logger: log.logger(),
                sleep: { _ in
                    self.wait.yield()
                    for await _ in self.looks { return }
                })
            let task = Task { try await watch.run() }
            // The first look comes by itself.
            var waits = waits.makeAsyncIterator()
            _ = await waits.next()
            try await body { count in
                let before = self.questions.withLock(\.self)
                for _ in 0..<count {
                    self.look.yield()
                    _ = await waits.next()
                }
                return self.questions.withLock(\.self) - before
            }
            task.cancel()
            look.finish()
            try await task.value
        }
    }

    @Test func `a change leads to one question, within 5 s, and no change to none`() async throws {
        let lab = try Lab()
        try lab.write("a")
        #expect(PostfixWatch.interval * 2 < .seconds(5))
        try await lab.watching { look in
            // What was set before the watch began.
            #expect(await look(1) == 1)
            #expect(await look(5) == 0)
            try lab.write("b")
            #expect(await look(2) == 1)
            #expect(await look(5) == 0)
            try FileManager.default.removeItem(atPath: lab.path)
            #expect(await look(2) == 1)
            try lab.write("b")
            #expect(await look(2) == 1)
        }
        #expect(lab.log.entries.isEmpty)
    }

    @Test func `a file that is still being written is left alone`() async throws {
        let lab = try Lab()
        try lab.write("a")
        try await lab.watching { look in
            #expect(await look(2) == 1)
            for count in 2...6 {
                try lab.write(String(repeating: "b", count: count))
                #expect(await look(1) == 0)
            }
            #expect(await look(1) == 1)
        }
    }

    @Test func `while postconf fails it is asked once a minute, and at each change; the log has one line`() async throws
    {
        let lab = try Lab()
        try lab.write("a")
        lab.outcome.withLock { $0 = .failed(.timeIsUp) }
        try await lab.watching { look in
            #expect(await look(1) == 1)
            #expect(await look(PostfixWatch.looksBetweenAttempts - 1) == 0)
            #expect(await look(1) == 1)
            try lab.write("b")
            #expect(await look(2) == 1)
            lab.outcome.withLock { $0 = .inForce([]) }
            #expect(await look(PostfixWatch.looksBetweenAttempts) == 1)
            #expect(await look(2 * PostfixWatch.looksBetweenAttempts) == 0)
        }
        #expect(lab.log.entries.map(\.level) == [.warning])
    }

    @Test func `master cf is looked at like main cf`() {
        let local = LocalPostfix(
            release: nil, validatesDNS: false, securityLevel: SecurityLevel("may"), configurationDirectory: "/etc/x")
        let files = PostfixWatch.files(after: PostfixAnswer(local: local))
        #expect(files.suffix(2) == ["/etc/x/main.cf", "/etc/x/master.cf"])
    }
}
