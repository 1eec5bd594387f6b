import Admin
import Foundation
import LookupServer
import PostfixSettings
import Synchronization
import TestSupport
import Testing

@testable import STSBridge

/// A reload is all or nothing, and one follows the other.
@Suite(.timeLimit(.minutes(5))) struct ReloaderTests {
    /// A reloader whose configuration and rooms are the test's.
    private final class Lab: Sendable {
        let log = LogRecorder()
        let wanted: Mutex<Result<Configuration, CommandFailure>>
        let applied = Mutex<[Configuration]>([])
        /// Setups that differ in what follows from Postfix alone.
        let followed = Mutex<[Setup]>([])
        let refusal = Mutex<ListenFailure?>(nil)
        /// What postconf returns.
        let answer = Mutex(PostfixAnswer.none)
        private let begin: Configuration

        init(_ begin: Configuration = Lab.configuration) {
            self.begin = begin
            wanted = Mutex(.success(begin))
        }

        static var configuration: Configuration {
            var configuration = Configuration()
            // No Postfix of this machine, and servers that need no resolv.conf.
            configuration.postfix.dane = .off
            ConfigurationKey.all.first { $0.name == "dns.servers" }.map { _ = $0.set(["127.0.0.1@1"], &configuration) }
            return configuration
        }

        func reloader() throws -> Reloader {
            let setup = try Setup(begin, answer: answer.withLock(\.self), logger: log.logger())
            return Reloader(setup, logger: log.logger()) { () throws(CommandFailure) in
                try self.wanted.withLock(\.self).get()
            } ask: { _ in
                self.answer.withLock(\.self)
            } apply: { setup throws(ListenFailure) in
                if let refusal = self.refusal.withLock(\.self) { throw refusal }
                self.applied.withLock { $0.append(setup.configuration) }
            } follow: { setup in
                self.followed.withLock { $0.append(setup) }
            }
        }

        func want(_ change: (inout Configuration) -> Void) {
            var configuration = begin
            change(&configuration)
            wanted.withLock { $0 = .success(configuration) }
        }

        /// Messages about the reload, with the fields that matter.
        var told: [String] {
            log.entries.map { entry in
                let fields = ["key", "from", "to", "keys", "reason", "dane", "security-level"].compactMap {
                    entry.facts[$0]
                }
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
                "notice configuration reloaded off may",
            ])
        // The next one starts from what is in force.
        #expect(await reloader.reload() == .reloaded([], needsRestart: ["cache.store", "cache.path"]))
    }

    @Test(arguments: [(DNSSECMode.auto, true), (.on, false)])
    func `DNSSEC is watched wherever DANE is looked for, and switches it only where it may`(
        mode: DNSSECMode, switchesDANE: Bool
    ) throws {
        var configuration = Lab.configuration
        let off = try Setup(configuration, answer: PostfixAnswer.none, logger: Lab().log.logger())
        #expect(off.watched == nil)
        configuration.postfix.dane = .on
        configuration.dnssec = mode
        let setup = try Setup(configuration, answer: PostfixAnswer.none, logger: Lab().log.logger())
        #expect(setup.watched?.switchesDANE == switchesDANE)
    }

    @Test func `status notes that Postfix asks for fewer words than it understands`() throws {
        let setup = try Setup(Lab.configuration, answer: PostfixAnswer.none, logger: Lab().log.logger())
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
        guard case .reloaded(let changes, _, _) = await reloader.reload() else {
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

    // MARK: Postfix's settings

    private static func following(_ change: (inout Configuration) -> Void = { _ in }) -> Lab {
        var configuration = Lab.configuration
        configuration.postfix.dane = .auto
        change(&configuration)
        let lab = Lab(configuration)
        lab.answer.withLock { $0 = postfix() }
        return lab
    }

    private static func postfix(version: String = "3.7.11", dnssec: Bool = false, level: String = "may")
        -> PostfixAnswer
    {
        PostfixAnswer(
            local: LocalPostfix(
                release: PostfixRelease(version), validatesDNS: dnssec, securityLevel: SecurityLevel(level)))
    }

    @Test
    func `STS-2-a: when Postfix begins with DANE the bridge does, in one line, without reading its configuration`()
        async throws
    {
        let lab = Self.following()
        let reloader = try lab.reloader()
        #expect(reloader.setup.upstream.validator == nil)
        lab.wanted.withLock { $0 = .failure(CommandFailure(.usage, "being edited")) }
        lab.answer.withLock { $0 = Self.postfix(version: "3.10.5", dnssec: true, level: "encrypt") }
        #expect(
            await reloader.followPostfix()
                == .inForce([
                    ChangedFact(name: "dialect", from: "classic", to: "sts"),
                    ChangedFact(name: "dane", from: "off", to: "on"),
                    ChangedFact(name: "security-level", from: "may", to: "encrypt"),
                ]))
        let setup = reloader.setup
        #expect(setup.upstream.validator != nil)
        #expect(setup.lookup.dialect == .sts)
        #expect(setup.postfix.decisions.daneReply != .dane)
        #expect(lab.told == ["notice Postfix settings changed on encrypt"])
        // The same again is nothing new, and the validator with its keys stays.
        #expect(await reloader.followPostfix() == .inForce([]))
        #expect(reloader.setup.upstream.validator === setup.upstream.validator)
        #expect(lab.followed.withLock { $0.count } == 1)
        lab.answer.withLock { $0 = Self.postfix(version: "3.10.5", dnssec: true) }
        #expect(
            await reloader.followPostfix()
                == .inForce([ChangedFact(name: "security-level", from: "encrypt", to: "may")]))
        #expect(reloader.setup.upstream.validator === setup.upstream.validator)
        #expect(reloader.setup.upstream.transport === setup.upstream.transport)
        lab.answer.withLock { $0 = Self.postfix(version: "3.10.5") }
        #expect(await reloader.followPostfix() == .inForce([ChangedFact(name: "dane", from: "on", to: "off")]))
        #expect(reloader.setup.upstream.validator == nil)
    }

    /// Following Postfix changes no address: a socket that is lost keeps DANE off nowhere (RFC 8461 §2).
    @Test func `STS-2-a: a listener that cannot be made keeps no Postfix setting out of force, and nothing is lost`()
        async throws
    {
        let lab = Self.following()
        let reloader = try lab.reloader()
        lab.answer.withLock { $0 = Self.postfix(dnssec: true) }
        lab.refusal.withLock { $0 = .notNow }
        #expect(await reloader.reload() == .refused("\(ListenFailure.notNow)"))
        let fact = ChangedFact(name: "dane", from: "off", to: "on")
        #expect(await reloader.followPostfix() == .inForce([fact]))
        #expect(reloader.setup.upstream.validator != nil)
        #expect(lab.followed.withLock { $0.map { $0.service.dane != nil } } == [true])
        lab.refusal.withLock { $0 = nil }
        #expect(await reloader.reload() == .reloaded([], needsRestart: []))
        #expect(lab.applied.withLock { $0.count } == 1)
    }

    private static func services(_ smtp: (dnssec: Bool, level: String)) -> PostfixAnswer {
        PostfixAnswer(
            local: LocalPostfix(
                release: PostfixRelease("3.7.11"),
                services: [
                    DeliveryService(
                        name: "smtp", validatesDNS: smtp.dnssec, securityLevel: SecurityLevel(smtp.level)),
                    DeliveryService(name: "relay", validatesDNS: true, securityLevel: SecurityLevel("may")),
                ]))
    }

    @Test func `STS-2-a: one service without DNSSEC switches DANE off for all, and one warning names the services`()
        async throws
    {
        let lab = Self.following()
        lab.answer.withLock { $0 = Self.services((true, "may")) }
        let reloader = try lab.reloader()
        #expect(reloader.setup.upstream.validator != nil)
        lab.answer.withLock { $0 = Self.services((false, "may")) }
        #expect(await reloader.followPostfix() == .inForce([ChangedFact(name: "dane", from: "on", to: "off")]))
        #expect(lab.log.entries.map(\.message) == ["Postfix settings changed", "configuration does not fit"])
        let reason = try #require(lab.log.entries.last?.facts["reason"])
        #expect(reason.hasPrefix("smtp_dns_support_level is dnssec for relay of master.cf and not for smtp"))
        #expect(reason.contains("set it in main.cf, the same for all"))
    }

    @Test func `a service that demands TLS is not weakened by dane, and one warning names the levels`() async throws {
        let lab = Self.following()
        lab.answer.withLock { $0 = Self.services((true, "may")) }
        let reloader = try lab.reloader()
        lab.answer.withLock { $0 = Self.services((true, "encrypt")) }
        #expect(
            await reloader.followPostfix()
                == .inForce([ChangedFact(name: "security-level", from: "may", to: "encrypt")]))
        #expect(lab.followed.withLock { $0.last?.service.decisions.daneReply } == .daneOnly)
        #expect(lab.log.entries.map(\.message) == ["Postfix settings changed", "configuration does not fit"])
        let reason = try #require(lab.log.entries.last?.facts["reason"])
        #expect(reason.contains("smtp (encrypt), relay (may)"))
        #expect(await reloader.followPostfix() == .inForce([]))
        #expect(lab.log.entries.count == 2)
    }

    @Test func `a reload names what is different in Postfix though no key has changed`() async throws {
        let lab = Self.following()
        let reloader = try lab.reloader()
        lab.answer.withLock { $0 = Self.postfix(dnssec: true) }
        let facts = [ChangedFact(name: "dane", from: "off", to: "on")]
        #expect(await reloader.reload() == .reloaded([], facts: facts, needsRestart: []))
        #expect(
            ReloadCommand.text(of: Reloaded(changed: ["log.level"], facts: facts, needsRestart: ["cache.path"]))
                == "log.level is in force\ndane: on, was off\ncache.path needs a restart")
        #expect(ReloadCommand.text(of: Reloaded(changed: [])) == "nothing has changed")
    }

    @Test func `while postconf fails, or contradicts the configuration, what was in force stays`() async throws {
        let lab = Self.following { $0.postfix.release = PostfixRelease("3.10") }
        lab.answer.withLock { $0 = Self.postfix(version: "3.10.5", dnssec: true) }
        let reloader = try lab.reloader()
        let validator = reloader.setup.upstream.validator
        lab.answer.withLock { $0 = PostfixAnswer(local: nil, failure: .timeIsUp) }
        #expect(await reloader.followPostfix() == .failed(.timeIsUp))
        lab.answer.withLock { $0 = Self.postfix(version: "3.7.11", dnssec: true) }
        guard case .refused(let reason) = await reloader.followPostfix() else {
            Issue.record("words that Postfix refuses were taken")
            return
        }
        #expect(reason.contains("postfix.version is 3.10, but postconf says 3.7"))
        #expect(reloader.setup.upstream.validator === validator)
        #expect(lab.followed.withLock { $0.count } == 0)
        #expect(lab.told == ["error Postfix settings contradict the configuration, the old ones stay \(reason)"])
    }
}
