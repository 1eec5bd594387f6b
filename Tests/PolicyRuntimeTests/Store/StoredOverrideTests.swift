import Discovery
import MTASTS
import PolicyCaching
import Testing
import TestSupport
import TextFormats

/// Overrides across restarts and with a failing store.
@Suite(.timeLimit(.minutes(5))) struct StoredOverrideTests {
    private typealias Fixture = PolicyServiceTests.Fixture

    private static let now = ManualTime().now

    private func exemption(_ name: String = "example.com") throws -> Override {
        try testOverride(.exempt(mayEncrypt: false), of: name, since: Self.now)
    }

    private func fixture(storing overrides: StoredOverride...) -> Fixture {
        Fixture(store: MemoryPolicyStore(overrides: overrides))
    }

    @Test func `after a restart an exemption applies to the first lookup`() async throws {
        let fixture = fixture(storing: .override(try exemption()))
        let gate = fixture.store.pauseOverrides()
        fixture.publish("example.com")
        try await fixture.run {
            async let answer = fixture.answer("example.com")
            await gate.arrivals()
            await fixture.log.appearance(of: "new policy")
            let destination = Destination(domain: try domain("example.com"))
            #expect(fixture.service.decision(for: destination) == nil)
            guard case .waiting(let waiter, let timeout) = fixture.service.lookup(destination, onDecision: { _ in })
            else {
                throw UnexpectedError(what: "answered without the overrides")
            }
            #expect(timeout == .seconds(1))
            gate.open()
            let rule = try await answer.rule
            #expect(rule == .exempt)
            #expect(fixture.service.cancelWait(waiter) == nil)
            #expect(try fixture.answerAtOnce("example.com")?.rule == .exempt)
        }
        #expect(fixture.log.messages.contains("overrides loaded"))
        #expect(!fixture.log.messages.contains { $0.hasPrefix("overrides not loaded") })
    }

    @Test func `observe mode survives a restart`() async throws {
        let fixture = fixture(storing: .observe(ObserveModeChange(isOn: true, author: "root", since: Self.now)))
        fixture.publish("example.com")
        try await fixture.run {
            let rule = try await fixture.answer("example.com").rule
            #expect(rule == .observe)
            _ = await fixture.service.setObserveMode(isOn: false, author: "root")
        }
        #expect(fixture.store.observe?.isOn == false)
    }

    @Test func `an override that ended while no process ran is logged and deleted, and does not apply`() async throws {
        let ended = try testOverride(
            .exempt(mayEncrypt: false), of: "example.com", since: Self.now + .seconds(-60), until: Self.now)
        let fixture = fixture(storing: .override(ended))
        fixture.publish("example.com")
        try await fixture.run {
            let rule = try await fixture.answer("example.com").rule
            #expect(rule == .enforce)
            while fixture.store.override(of: ended.domain) != nil { await fixture.clock.pass(.seconds(5)) }
        }
        // Another process may have set a new override of the domain.
        #expect(fixture.store.commits.joined().contains(.dropOverride(ended)))
        #expect(fixture.log.messages.contains("override ended"))
    }

    @Test func `lookups wait for a slow store for a second; its overrides apply when they are loaded`()
        async throws
    {
        let fixture = fixture(storing: .override(try exemption()))
        let gate = fixture.store.pauseOverrides()
        fixture.publish("example.com")
        try await fixture.run {
            async let answer = fixture.answer("example.com")
            await gate.arrivals()
            await fixture.clock.pass(.seconds(1))
            let rule = try await answer.rule
            #expect(rule == .enforce)
            gate.open()
            await fixture.log.appearance(of: "overrides loaded")
            #expect(try fixture.answerAtOnce("example.com")?.rule == .exempt)
        }
        #expect(fixture.log.messages.count { $0.hasPrefix("overrides not loaded") } == 1)
    }

    @Test func `lookups do not wait for a failing store, which is tried again`() async throws {
        let fixture = fixture(storing: .override(try exemption()))
        fixture.store.failOverrides(with: StoreError("locked"))
        fixture.publish("example.com")
        try await fixture.run {
            let before = try await fixture.answer("example.com").rule
            #expect(before == .enforce)
            fixture.store.failOverrides(with: nil)
            while fixture.service.overrides().isEmpty { await fixture.clock.pass(.seconds(30)) }
            let after = try await fixture.answer("example.com").rule
            #expect(after == .exempt)
        }
    }

    @Test func `an override set while the store fails applies, is reported as in memory only, and is stored later`()
        async throws
    {
        let fixture = Fixture()
        fixture.store.fail(with: StoreError("disk full"))
        try await fixture.run {
            await fixture.log.appearance(of: "cache file error, continuing in memory")
            let outcome = try await fixture.service.set(try exemption())
            #expect(outcome == .inMemoryOnly("disk full"))
            let observing = await fixture.service.setObserveMode(isOn: false, author: "root")
            #expect(observing == .inMemoryOnly("disk full"))
            let rule = try await fixture.answer("example.com").rule
            #expect(rule == .exempt)
            fixture.store.fail(with: nil)
            while !fixture.log.messages.contains("cache file works again") { await fixture.clock.pass(.seconds(30)) }
        }
        #expect(fixture.store.override(of: try domain("example.com")) != nil)
        #expect(fixture.store.observe?.isOn == false)
    }

    @Test func `without a store every override is in memory only`() async throws {
        let fixture = Fixture(storesNothing: true)
        try await fixture.run {
            guard case .inMemoryOnly(let reason) = try await fixture.service.set(try exemption()) else {
                throw UnexpectedError(what: "stored")
            }
            #expect(reason.contains("cache.store"))
            let rule = try await fixture.answer("example.com").rule
            #expect(rule == .exempt)
        }
    }

    @Test func `an override removed before it is loaded does not return`() async throws {
        let fixture = fixture(storing: .override(try exemption()), .override(try exemption("other.example")))
        let gate = fixture.store.pauseOverrides()
        try await fixture.run {
            await gate.arrivals()
            let (removal, outcome) = await fixture.service.removeOverride(of: try domain("example.com"), author: "root")
            #expect(removal == .notFound && outcome == .saved)
            gate.open()
            await fixture.log.appearance(of: "overrides loaded")
            #expect(fixture.service.overrides() == [try exemption("other.example")])
        }
        #expect(fixture.store.override(of: try domain("example.com")) == nil)
    }

    @Test func `an override removed while the store fails does not return when it is opened again`() async throws {
        let fixture = fixture(storing: .override(try exemption()))
        try await fixture.run {
            await fixture.log.appearance(of: "overrides loaded")
            fixture.store.fail(with: StoreError("read-only"))
            let (removal, outcome) = await fixture.service.removeOverride(of: try domain("example.com"), author: "root")
            #expect(removal.removed != nil && outcome == .inMemoryOnly("read-only"))
            fixture.store.fail(with: nil)
            while !fixture.log.messages.contains("cache file works again") { await fixture.clock.pass(.seconds(30)) }
            #expect(fixture.service.overrides() == [])
        }
        #expect(fixture.store.override(of: try domain("example.com")) == nil)
    }

    @Test func `a replaced store gets all overrides again`() async throws {
        let fixture = Fixture()
        try await fixture.run {
            _ = try await fixture.service.set(try exemption())
            _ = await fixture.service.setObserveMode(isOn: true, author: "root")
            fixture.store.removeFile()
            _ = try await fixture.service.set(try exemption("other.example"))
            while !fixture.log.messages.contains("cache file works again") { await fixture.clock.pass(.seconds(30)) }
        }
        for name in ["example.com", "other.example"] {
            #expect(fixture.store.override(of: try domain(name)) == (try exemption(name)))
        }
        #expect(fixture.store.observe?.isOn == true)
    }

    @Test func `an unreadable override is logged once and stays in the store; the others apply`() async throws {
        let fixture = fixture(
            storing: .unreadable(subject: "bro\nken", reason: "kind is none"), .override(try exemption()))
        fixture.store.failOverrides(with: StoreError("locked"))
        try await fixture.run {
            fixture.store.failOverrides(with: nil)
            while fixture.service.overrides().isEmpty { await fixture.clock.pass(.seconds(30)) }
            fixture.store.removeFile()
            while !fixture.log.messages.contains("cache file works again") { await fixture.clock.pass(.seconds(5)) }
        }
        let lines = fixture.log.entries.filter { $0.message == "unreadable override in the cache file, ignored" }
        #expect(lines.map { $0.facts["domain"] } == [#"bro\x0Aken"#])
        #expect(fixture.store.commits.allSatisfy { !$0.contains { change in change.isLift } })
    }

    @Test func `at the end, lookups that wait for overrides are answered`() async throws {
        let fixture = Fixture()
        fixture.store.failOverrides(with: StoreError("gone"))
        let gate = fixture.store.pauseOverrides()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await fixture.service.run() }
            async let answer = fixture.answer("example.com")
            await gate.arrivals()
            group.cancelAll()
            gate.open()
            _ = try await answer
        }
        #expect(!fixture.log.messages.contains { $0.hasPrefix("overrides not loaded") })
    }
}

extension StoreChange {
    fileprivate var isLift: Bool {
        if case .removeOverride = self { true } else { false }
    }
}
