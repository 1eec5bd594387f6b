import MTASTS
import PolicyCaching
import PolicyRuntime
import TestSupport
import Testing
import TextFormats

/// Another process uses the same store.
@Suite(.timeLimit(.minutes(5))) struct OtherProcessesTests {
    private typealias Fixture = PolicyServiceTests.Fixture

    private static let interval = Duration.seconds(5)

    private func exemption(_ name: String, until: WallTime? = nil) throws -> Override {
        try testOverride(.exempt(mayEncrypt: false), of: name, since: ManualTime().now, until: until)
    }

    @Test func `an override that another process sets or removes applies, and is logged once`() async throws {
        let fixture = Fixture()
        let name = try domain("example.com")
        try await fixture.run {
            try await fixture.loaded()
            fixture.store.share(with: 42)
            fixture.store.write(.setOverride(try exemption("example.com")))
            while try fixture.answerAtOnce("example.com")?.rule != .exempt, !Task.isCancelled {
                await fixture.clock.pass(Self.interval)
            }
            #expect(fixture.service.otherProcesses == [42])
            fixture.store.write(.removeOverride(name, at: fixture.clock.now))
            while try fixture.answerAtOnce("example.com")?.rule == .exempt, !Task.isCancelled {
                await fixture.clock.pass(Self.interval)
            }
            fixture.store.share()
            while !fixture.service.otherProcesses.isEmpty, !Task.isCancelled { await fixture.clock.pass(Self.interval) }
        }
        let messages = fixture.log.messages
        #expect(messages.count { $0 == "another process uses the cache file" } == 1)
        #expect(messages.count { $0 == "no other process uses the cache file" } == 1)
        #expect(messages.count { $0 == "overrides loaded" } == 1)
    }

    @Test func `an override set while the store fails does not undo a later change of another process`() async throws {
        let fixture = Fixture()
        let (replaced, removed) = (try exemption("replaced.example"), try exemption("removed.example"))
        let later = fixture.clock.now + .seconds(60)
        let pin = try testOverride(.pin([]), of: "replaced.example", since: later)
        try await fixture.run {
            try await fixture.loaded()
            fixture.store.share(with: 42)
            fixture.store.fail(with: StoreError("disk full"))
            for override in [replaced, removed] {
                let change = try await fixture.service.set(override)
                #expect(change == .inMemoryOnly("disk full"))
            }
            fixture.store.write(.setOverride(pin))
            fixture.store.write(.removeOverride(removed.domain, at: later))
            while fixture.clock.now < later { await fixture.clock.pass(Self.interval) }
            fixture.store.fail(with: nil)
            while fixture.service.overrides() != [pin], !Task.isCancelled { await fixture.clock.pass(Self.interval) }
        }
        #expect(fixture.store.override(of: pin.domain) == pin)
        #expect(fixture.store.override(of: removed.domain) == nil)
    }

    /// The rows are read before the removal, and arrive after another read has replaced everything.
    @Test func `a slow load does not restore an override that was removed meanwhile`() async throws {
        let removed = try exemption("removed.example")
        let fixture = Fixture(store: MemoryPolicyStore(overrides: [.override(removed)]))
        let gate = fixture.store.pauseNextOverrides()
        try await fixture.run {
            await gate.arrivals()
            // Lookups do not wait for it any longer.
            await fixture.clock.pass(.seconds(1))
            let (_, change) = await fixture.service.removeOverride(of: removed.domain, author: "root")
            #expect(change == .saved)
            let other = try exemption("other.example")
            fixture.store.share(with: 42)
            fixture.store.write(.setOverride(other))
            while fixture.service.overrides() != [other], !Task.isCancelled { await fixture.clock.pass(Self.interval) }
            let reads = fixture.store.overrideReads
            gate.open()
            while fixture.store.overrideReads == reads, !Task.isCancelled { await fixture.clock.pass(Self.interval) }
            #expect(fixture.service.overrides() == [other])
        }
    }

    @Test func `a policy that another process removes is forgotten`() async throws {
        let fixture = Fixture()
        fixture.publish("example.com")
        let name = try domain("example.com")
        try await fixture.run {
            #expect(try await fixture.answer("example.com").rule == .enforce)
            fixture.store.share(with: 42)
            fixture.store.write(.removePolicy(name))
            while try await fixture.service.entry(of: name) != nil, !Task.isCancelled {
                await fixture.clock.pass(Self.interval)
            }
        }
    }

    /// The new store lacks the overrides until they are written into it. They must not be taken for removed.
    @Test func `overrides survive a replaced store, even if loading the new one takes long`() async throws {
        let fixture = Fixture()
        let override = try exemption("example.com")
        try await fixture.run {
            try await fixture.loaded()
            _ = try await fixture.service.set(override)
            await fixture.log.appearance(of: "policies loaded")
            let gate = fixture.store.pauseLoading()
            fixture.store.removeFile()
            while !fixture.log.messages.contains("cache file works again") {
                await fixture.clock.pass(Self.interval)
            }
            await gate.arrivals()
            fixture.store.share(with: 42)
            fixture.store.write(.setOverride(try exemption("other.example")))
            for _ in 0..<3 { await fixture.clock.pass(Self.interval) }
            #expect(try fixture.answerAtOnce("example.com")?.rule == .exempt)
            gate.open()
            while fixture.store.override(of: override.domain) == nil || fixture.service.overrides().count < 2,
                !Task.isCancelled
            {
                await fixture.clock.pass(Self.interval)
            }
        }
        #expect(fixture.store.override(of: override.domain) == override)
    }
}
