import Admin
import Foundation
import LookupServer
import Synchronization
import TestSupport
import Testing

@testable import STSBridge

/// A reload is all or nothing, and one follows the other.
@Suite(.timeLimit(.minutes(5))) struct ReloaderTests {
    /// A reloader whose configuration and rooms are the test's.
    private final class Lab: Sendable {
        let log = LogRecorder()
        let wanted = Mutex<Result<Configuration, CommandFailure>>(.success(Lab.configuration))
        let applied = Mutex<[Configuration]>([])
        let refusal = Mutex<ListenFailure?>(nil)

        static var configuration: Configuration {
            var configuration = Configuration()
            // No Postfix of this machine, and servers that need no resolv.conf.
            configuration.postfix.dane = .off
            ConfigurationKey.all.first { $0.name == "dns.servers" }.map { _ = $0.set(["127.0.0.1@1"], &configuration) }
            return configuration
        }

        func reloader() throws -> Reloader {
            let setup = try Setup(Lab.configuration, logger: log.logger())
            return Reloader(setup, logger: log.logger()) { () throws(CommandFailure) in
                try self.wanted.withLock(\.self).get()
            } apply: { setup throws(ListenFailure) in
                if let refusal = self.refusal.withLock(\.self) { throw refusal }
                self.applied.withLock { $0.append(setup.configuration) }
            }
        }

        func want(_ change: (inout Configuration) -> Void) {
            var configuration = Lab.configuration
            change(&configuration)
            wanted.withLock { $0 = .success(configuration) }
        }

        /// Messages about the reload, with the fields that matter.
        var told: [String] {
            log.entries.map { entry in
                let fields = ["key", "from", "to", "keys", "reason"].compactMap { entry.facts[$0] }
                return ([entry.level.rawValue, entry.message] + fields).joined(separator: " ")
            }
        }
    }

    @Test func `what has changed is in force and told key by key; what takes a restart is named in one line`()
        async throws
    {
        let lab = Lab()
        let reloader = try lab.reloader()
        lab.want {
            $0.lookup.deadline = .seconds(7)
            $0.cachePath = "/elsewhere"
            $0.store = .memory
        }
        let outcome = await reloader.reload()
        #expect(
            outcome
                == .reloaded(
                    [ConfigurationChange(key: "lookup.deadline", old: "20s", new: "7s")],
                    needsRestart: ["cache.store", "cache.path"]))
        #expect(lab.applied.withLock { $0.map(\.lookup.deadline) } == [.seconds(7)])
        #expect(lab.applied.withLock { $0.map(\.cachePath) } == [Configuration().cachePath])
        #expect(
            lab.told == [
                "notice configuration changed lookup.deadline 20s 7s",
                "warning configuration needs a restart, these keys keep their old value cache.store,cache.path",
                "notice configuration reloaded",
            ])
        // The next one starts from what is in force.
        #expect(await reloader.reload() == .reloaded([], needsRestart: ["cache.store", "cache.path"]))
    }

    @Test(arguments: [(DNSSECMode.auto, true), (.on, false)])
    func `DNSSEC is watched wherever DANE is looked for, and switches it only where it may`(
        mode: DNSSECMode, switchesDANE: Bool
    ) throws {
        var configuration = Lab.configuration
        let off = try Setup(configuration, logger: Lab().log.logger())
        #expect(off.watched == nil)
        configuration.postfix.dane = .on
        configuration.dnssec = mode
        let setup = try Setup(configuration, logger: Lab().log.logger())
        #expect(setup.watched?.switchesDANE == switchesDANE)
    }

    @Test func `status notes that Postfix asks for fewer words than it understands`() throws {
        let setup = try Setup(Lab.configuration, logger: Lab().log.logger())
        let words = "main.cf: Postfix asks for fewer words than it understands; write sts for the map's name"
        #expect(!SetupFacts(setup, isAskedForFewerWords: false).notes.contains(words))
        #expect(SetupFacts(setup, isAskedForFewerWords: true).notes.contains(words))
    }

    @Test func `a configuration that cannot be read, or used, changes nothing and is told at error`() async throws {
        let lab = Lab()
        let reloader = try lab.reloader()
        lab.wanted.withLock { $0 = .failure(CommandFailure(.usage, "config.yaml:3: unknown key nonsense")) }
        #expect(await reloader.reload() == .refused("config.yaml:3: unknown key nonsense"))
        lab.want { $0.trust = .file("/nonexistent.pem") }
        guard case .refused(let reason) = await reloader.reload() else {
            Issue.record("a CA file that is not there was taken")
            return
        }
        #expect(reason.contains("/nonexistent.pem"))
        #expect(lab.applied.withLock { $0.count } == 0)
        #expect(reloader.setup.configuration.trust == .system)
        #expect(
            lab.told == [
                "error reload refused, the old configuration stays config.yaml:3: unknown key nonsense",
                "error reload refused, the old configuration stays \(reason)",
            ])
    }

    @Test func `where the listeners cannot be had the old setup stays`() async throws {
        let lab = Lab()
        let reloader = try lab.reloader()
        lab.want { $0.lookup.deadline = .seconds(7) }
        lab.refusal.withLock { $0 = .notNow }
        #expect(await reloader.reload() == .refused("\(ListenFailure.notNow)"))
        #expect(reloader.setup.configuration.lookup.deadline == .seconds(20))
        lab.refusal.withLock { $0 = nil }
        guard case .reloaded(let changes, _) = await reloader.reload() else {
            Issue.record("refused though nothing is wrong any more")
            return
        }
        #expect(changes.map(\.key) == ["lookup.deadline"])
    }

    @Test func `reloads at once come one after the other, each from what the one before left`() async throws {
        let lab = Lab()
        let reloader = try lab.reloader()
        lab.want { $0.lookup.deadline = .seconds(7) }
        let outcomes = await withTaskGroup(of: ReloadOutcome.self) { group in
            for _ in 1...5 { group.addTask { await reloader.reload() } }
            return await group.reduce(into: [ReloadOutcome]()) { $0.append($1) }
        }
        let changing = outcomes.filter { $0 != .reloaded([], needsRestart: []) }
        #expect(changing.count == 1)
        #expect(lab.applied.withLock { $0.count } == 5)
    }
}
