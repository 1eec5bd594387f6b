import AdminAPI
import Foundation
import PostfixConfig
import Synchronization
import TableServer
import Testing
import TestSupport

@testable import BridgeConfiguration
@testable import BridgeDaemon

/// A reload applies all or nothing, and reloads run one after another.
@Suite(.timeLimit(.minutes(5))) struct ReloaderTests {
    /// A reloader whose configuration and modules the test controls.
    private final class Fixture: Sendable {
        let log = LogRecorder()
        let wanted: Mutex<Result<Configuration, ConfigurationError>>
        let applied = Mutex<[Configuration]>([])
        /// The configurations in which only Postfix's settings have changed.
        let updated = Mutex<[RuntimeConfiguration]>([])
        let listenError = Mutex<ListenError?>(nil)
        /// The result of postconf.
        let postconf = Mutex(PostconfResult.none)
        private let initial: Configuration

        init(_ initial: Configuration = Fixture.configuration) {
            self.initial = initial
            wanted = Mutex(.success(initial))
        }

        static var configuration: Configuration {
            var configuration = Configuration()
            // Independent of this machine's Postfix and resolv.conf.
            configuration.postfix.dane = .off
            ConfigurationKey.all.first { $0.name == "dns.servers" }.map { _ = $0.set(["127.0.0.1@1"], &configuration) }
            return configuration
        }

        func reloader() throws -> Reloader {
            let runtime = try RuntimeConfiguration(
                initial, postconf: postconf.withLock(\.self), logger: log.logger())
            let actions = Reloader.Actions { () throws(ConfigurationError) in
                try self.wanted.withLock(\.self).get()
            } runPostconf: { _ in
                self.postconf.withLock(\.self)
            } apply: { runtime throws(ListenError) in
                if let error = self.listenError.withLock(\.self) { throw error }
                self.applied.withLock { $0.append(runtime.configuration) }
            } applyPostfixSettings: { runtime in
                self.updated.withLock { $0.append(runtime) }
            }
            return Reloader(runtime, logger: log.logger(), actions: actions)
        }

        func want(_ change: (inout Configuration) -> Void) {
            var configuration = initial
            change(&configuration)
            wanted.withLock { $0 = .success(configuration) }
        }

        /// The log lines of the reload, with the fields that matter.
        var logged: [String] {
            log.entries.map { entry in
                let fields = ["key", "from", "to", "keys", "reason", "dane", "security-level"].compactMap {
                    entry.facts[$0]
                }
                return ([entry.level.rawValue, entry.message] + fields).joined(separator: " ")
            }
        }
    }

    @Test func `changes apply and are logged key by key; one line names the keys that need a restart`()
        async throws
    {
        let fixture = Fixture()
        let reloader = try fixture.reloader()
        fixture.want {
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
        #expect(fixture.applied.withLock { $0.map(\.lookup.deadline) } == [.seconds(7)])
        #expect(fixture.applied.withLock { $0.map(\.cachePath) } == [Configuration().cachePath])
        #expect(
            fixture.logged == [
                "notice configuration changed lookup.deadline 20s 7s",
                "warning configuration needs a restart, these keys keep their old value cache.store,cache.path",
                "notice configuration reloaded off may",
            ])
        // The next reload starts from the current configuration.
        #expect(await reloader.reload() == .reloaded([], needsRestart: ["cache.store", "cache.path"]))
    }

    @Test(arguments: [(DNSSECMode.auto, true), (.on, false)])
    func `DNSSEC is probed if DANE is looked up, and switches DANE only in mode auto`(
        mode: DNSSECMode, switchesDANE: Bool
    ) throws {
        var configuration = Fixture.configuration
        let off = try RuntimeConfiguration(configuration, postconf: PostconfResult.none, logger: Fixture().log.logger())
        #expect(off.dnssecSubject == nil)
        configuration.postfix.dane = .on
        configuration.dnssec = mode
        let runtime = try RuntimeConfiguration(
            configuration, postconf: PostconfResult.none, logger: Fixture().log.logger())
        #expect(runtime.dnssecSubject?.switchesDANE == switchesDANE)
    }

    @Test func `status notes that Postfix uses an old map name`() throws {
        let runtime = try RuntimeConfiguration(
            Fixture.configuration, postconf: PostconfResult.none, logger: Fixture().log.logger())
        let note = "main.cf: Postfix 3.10 or later uses an old map name; use `:sts` in smtp_tls_policy_maps"
        #expect(!RuntimeSummary(runtime, usesOldDialect: false).notes.contains(note))
        #expect(RuntimeSummary(runtime, usesOldDialect: true).notes.contains(note))
    }

    @Test func `an invalid configuration changes nothing and is logged as an error`() async throws {
        let fixture = Fixture()
        let reloader = try fixture.reloader()
        fixture.wanted.withLock { $0 = .failure(.unknownKey("nonsense", at: .file("config.yaml", line: 3))) }
        #expect(
            await reloader.reload()
                == .rejected("config.yaml:3: unknown key nonsense; sts-bridge config print shows all keys"))
        fixture.want { $0.trust = .file("/nonexistent.pem") }
        guard case .rejected(let reason) = await reloader.reload() else {
            Issue.record("a missing CA file was accepted")
            return
        }
        #expect(reason.contains("/nonexistent.pem"))
        #expect(fixture.applied.withLock { $0.count } == 0)
        #expect(reloader.current.configuration.trust == .system)
        #expect(
            fixture.logged == [
                "error reload rejected, keeping the old configuration config.yaml:3: unknown key nonsense; "
                    + "sts-bridge config print shows all keys",
                "error reload rejected, keeping the old configuration \(reason)",
            ])
    }

    @Test func `if the listeners cannot be opened, the old configuration stays`() async throws {
        let fixture = Fixture()
        let reloader = try fixture.reloader()
        fixture.want { $0.lookup.deadline = .seconds(7) }
        fixture.listenError.withLock { $0 = .notNow }
        #expect(await reloader.reload() == .rejected("\(ListenError.notNow)"))
        #expect(reloader.current.configuration.lookup.deadline == .seconds(20))
        fixture.listenError.withLock { $0 = nil }
        guard case .reloaded(let changes, _, _) = await reloader.reload() else {
            Issue.record("rejected although the error is gone")
            return
        }
        #expect(changes.map(\.key) == ["lookup.deadline"])
    }

    @Test func `concurrent reloads run one after another, each from the result of the previous one`() async throws {
        let fixture = Fixture()
        let reloader = try fixture.reloader()
        fixture.want { $0.lookup.deadline = .seconds(7) }
        let results = await withTaskGroup(of: ReloadResult.self) { group in
            for _ in 1...5 { group.addTask { await reloader.reload() } }
            return await group.reduce(into: [ReloadResult]()) { $0.append($1) }
        }
        let changing = results.filter { $0 != .reloaded([], needsRestart: []) }
        #expect(changing.count == 1)
        #expect(fixture.applied.withLock { $0.count } == 5)
    }

    // MARK: Postfix's settings

    private static func fixtureWithAutomaticDANE(_ change: (inout Configuration) -> Void = { _ in }) -> Fixture {
        var configuration = Fixture.configuration
        configuration.postfix.dane = .auto
        change(&configuration)
        let fixture = Fixture(configuration)
        fixture.postconf.withLock { $0 = postfix() }
        return fixture
    }

    private static func postfix(version: String = "3.7.11", dnssec: Bool = false, level: String = "may")
        -> PostconfResult
    {
        PostconfResult(
            profile: PostfixProfile(
                release: PostfixRelease(version), validatesDNS: dnssec, securityLevel: SecurityLevel(level)))
    }

    @Test
    func
        `STS-2-a: when Postfix starts to use DANE the bridge does too, with one log line, without reading its configuration`()
        async throws
    {
        let fixture = Self.fixtureWithAutomaticDANE()
        let reloader = try fixture.reloader()
        #expect(reloader.current.upstream.validator == nil)
        fixture.wanted.withLock { $0 = .failure(ConfigurationError(at: .wholeFile("config.yaml"), "being edited")) }
        fixture.postconf.withLock { $0 = Self.postfix(version: "3.10.5", dnssec: true, level: "encrypt") }
        #expect(
            await reloader.updatePostfix()
                == .applied([
                    ChangedSetting(name: "dialect", from: "classic", to: "sts"),
                    ChangedSetting(name: "dane", from: "off", to: "on"),
                    ChangedSetting(name: "security-level", from: "may", to: "encrypt"),
                ]))
        let runtime = reloader.current
        #expect(runtime.upstream.validator != nil)
        #expect(runtime.lookup.dialect == .sts)
        #expect(runtime.postfix.decisions.daneReply != .dane)
        #expect(fixture.logged == ["notice Postfix settings changed on encrypt"])
        // The same result changes nothing, and the validator with its keys stays.
        #expect(await reloader.updatePostfix() == .applied([]))
        #expect(reloader.current.upstream.validator === runtime.upstream.validator)
        #expect(fixture.updated.withLock { $0.count } == 1)
        fixture.postconf.withLock { $0 = Self.postfix(version: "3.10.5", dnssec: true) }
        #expect(
            await reloader.updatePostfix()
                == .applied([ChangedSetting(name: "security-level", from: "encrypt", to: "may")]))
        #expect(reloader.current.upstream.validator === runtime.upstream.validator)
        #expect(reloader.current.upstream.transport === runtime.upstream.transport)
        fixture.postconf.withLock { $0 = Self.postfix(version: "3.10.5") }
        #expect(await reloader.updatePostfix() == .applied([ChangedSetting(name: "dane", from: "on", to: "off")]))
        #expect(reloader.current.upstream.validator == nil)
    }

    /// An update of Postfix's settings opens no socket, so a listen error does not keep DANE off (RFC 8461 §2).
    @Test func `STS-2-a: a listen error does not delay Postfix settings, and no setting is lost`()
        async throws
    {
        let fixture = Self.fixtureWithAutomaticDANE()
        let reloader = try fixture.reloader()
        fixture.postconf.withLock { $0 = Self.postfix(dnssec: true) }
        fixture.listenError.withLock { $0 = .notNow }
        #expect(await reloader.reload() == .rejected("\(ListenError.notNow)"))
        let setting = ChangedSetting(name: "dane", from: "off", to: "on")
        #expect(await reloader.updatePostfix() == .applied([setting]))
        #expect(reloader.current.upstream.validator != nil)
        #expect(fixture.updated.withLock { $0.map { $0.service.dane != nil } } == [true])
        fixture.listenError.withLock { $0 = nil }
        #expect(await reloader.reload() == .reloaded([], needsRestart: []))
        #expect(fixture.applied.withLock { $0.count } == 1)
    }

    private static func services(_ smtp: (dnssec: Bool, level: String)) -> PostconfResult {
        PostconfResult(
            profile: PostfixProfile(
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
        let fixture = Self.fixtureWithAutomaticDANE()
        fixture.postconf.withLock { $0 = Self.services((true, "may")) }
        let reloader = try fixture.reloader()
        #expect(reloader.current.upstream.validator != nil)
        fixture.postconf.withLock { $0 = Self.services((false, "may")) }
        #expect(await reloader.updatePostfix() == .applied([ChangedSetting(name: "dane", from: "on", to: "off")]))
        #expect(
            fixture.log.entries.map(\.message) == ["Postfix settings changed", "configuration does not match Postfix"])
        let reason = try #require(fixture.log.entries.last?.facts["reason"])
        #expect(reason.hasPrefix("smtp_dns_support_level is dnssec for relay of master.cf and not for smtp"))
        #expect(reason.contains("set it in main.cf, the same for all"))
    }

    @Test func `DANE does not weaken a service that requires TLS, and one warning names the levels`() async throws {
        let fixture = Self.fixtureWithAutomaticDANE()
        fixture.postconf.withLock { $0 = Self.services((true, "may")) }
        let reloader = try fixture.reloader()
        fixture.postconf.withLock { $0 = Self.services((true, "encrypt")) }
        #expect(
            await reloader.updatePostfix()
                == .applied([ChangedSetting(name: "security-level", from: "may", to: "encrypt")]))
        #expect(fixture.updated.withLock { $0.last?.service.decisions.daneReply } == .daneOnly)
        #expect(
            fixture.log.entries.map(\.message) == ["Postfix settings changed", "configuration does not match Postfix"])
        let reason = try #require(fixture.log.entries.last?.facts["reason"])
        #expect(reason.contains("smtp (encrypt), relay (may)"))
        #expect(await reloader.updatePostfix() == .applied([]))
        #expect(fixture.log.entries.count == 2)
    }

    @Test func `a reload reports changed Postfix settings even if no key has changed`() async throws {
        let fixture = Self.fixtureWithAutomaticDANE()
        let reloader = try fixture.reloader()
        fixture.postconf.withLock { $0 = Self.postfix(dnssec: true) }
        let settings = [ChangedSetting(name: "dane", from: "off", to: "on")]
        #expect(await reloader.reload() == .reloaded([], settings: settings, needsRestart: []))
    }

    @Test func `while postconf fails or contradicts the configuration, the old settings stay`() async throws {
        let fixture = Self.fixtureWithAutomaticDANE { $0.postfix.release = PostfixRelease("3.10") }
        fixture.postconf.withLock { $0 = Self.postfix(version: "3.10.5", dnssec: true) }
        let reloader = try fixture.reloader()
        let validator = reloader.current.upstream.validator
        fixture.postconf.withLock { $0 = PostconfResult(profile: nil, error: .timedOut) }
        #expect(await reloader.updatePostfix() == .failed(.timedOut))
        fixture.postconf.withLock { $0 = Self.postfix(version: "3.7.11", dnssec: true) }
        guard case .rejected(let reason) = await reloader.updatePostfix() else {
            Issue.record("a dialect that Postfix does not understand was accepted")
            return
        }
        #expect(reason.contains("postfix.version is 3.10, but Postfix is 3.7"))
        #expect(reloader.current.upstream.validator === validator)
        #expect(fixture.updated.withLock { $0.count } == 0)
        #expect(
            fixture.logged == [
                "error Postfix settings contradict the configuration, keeping the old settings \(reason)"
            ])
    }
}
