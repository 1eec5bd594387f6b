import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// How orders outlive the process, and what happens when the archive fails.
@Suite(.timeLimit(.minutes(5))) struct OrderArchiveTests {
    private typealias Lab = PolicyServiceTests.Lab

    private static let now = ManualTime().now

    private func exemption(_ name: String = "example.com") throws -> DomainOverride {
        try order(.exempt(mayEncrypt: false), name, since: Self.now)
    }

    private func lab(keeping orders: ArchivedOrder...) -> Lab { Lab(archive: MemoryArchive(orders: orders)) }

    @Test func `after a restart an exemption holds from the first lookup on`() async throws {
        let lab = lab(keeping: .override(try exemption()))
        let gate = lab.archive.holdOrders()
        lab.publish("example.com")
        try await lab.run {
            async let answer = lab.answer("example.com")
            await gate.arrivals()
            await lab.log.appearance(of: "policy learnt")
            let destination = DANEDestination(domain: try domain("example.com"))
            #expect(lab.service.decision(for: destination) == nil)
            guard case .waiting(let waiter, let patience) = lab.service.lookup(destination, whenLanded: { _ in }) else {
                throw Unexpected(what: "answered without the orders")
            }
            #expect(patience == .seconds(1))
            gate.open()
            let rule = try await answer.rule
            #expect(rule == .exempt)
            #expect(lab.service.giveUp(waiter) == nil)
            #expect(try lab.answerAtOnce("example.com")?.rule == .exempt)
        }
        #expect(lab.log.messages.contains("overrides loaded"))
        #expect(!lab.log.messages.contains { $0.hasPrefix("overrides are not loaded") })
    }

    @Test func `what is ordered of the process that writes the archive holds for its heir, too, and is told once`()
        async throws
    {
        let archive = MemoryArchive()
        archive.giveToAnother(true)
        let lab = Lab(archive: archive)
        let brief = try order(
            .exempt(mayEncrypt: false), "brief.example", since: Self.now, until: Self.now + .seconds(10))
        try await lab.run {
            try await lab.loaded()
            archive.write(.order(try exemption()))
            archive.write(.order(brief))
            // Who sleeps again has looked.
            for _ in 1...2 { await lab.clock.pass(.milliseconds(200)) }
            #expect(try lab.answerAtOnce("example.com")?.rule == .exempt)
            archive.write(.lift(try domain("example.com")))
            for _ in 1...500 where !lab.log.messages.contains("override has ended") {
                await lab.clock.pass(.milliseconds(200))
            }
            #expect(try lab.answerAtOnce("example.com")?.rule != .exempt)
        }
        let told = lab.log.messages.filter { $0.hasPrefix("override") }
        #expect(told == ["overrides loaded", "override ends soon", "override has ended"])
    }

    @Test func `observe mode outlives the process`() async throws {
        let lab = lab(keeping: .observe(ObserveOrder(isOn: true, author: "root", since: Self.now)))
        lab.publish("example.com")
        try await lab.run {
            let rule = try await lab.answer("example.com").rule
            #expect(rule == .observe)
            _ = await lab.service.observe(false, author: "root")
        }
        #expect(lab.archive.observe?.isOn == false)
    }

    @Test func `an order that ended while nobody ran is not applied, told, and deleted`() async throws {
        let ended = try order(
            .exempt(mayEncrypt: false), "example.com", since: Self.now + .seconds(-60), until: Self.now)
        let lab = lab(keeping: .override(ended))
        lab.publish("example.com")
        try await lab.run {
            let rule = try await lab.answer("example.com").rule
            #expect(rule == .enforce)
            while lab.archive.override(of: ended.domain) != nil { await lab.clock.pass(.seconds(5)) }
        }
        #expect(lab.log.messages.contains("override has ended"))
    }

    @Test func `an archive that takes longer than a second is not waited for, and its orders count when they come`()
        async throws
    {
        let lab = lab(keeping: .override(try exemption()))
        let gate = lab.archive.holdOrders()
        lab.publish("example.com")
        try await lab.run {
            async let answer = lab.answer("example.com")
            await gate.arrivals()
            await lab.clock.pass(.seconds(1))
            let rule = try await answer.rule
            #expect(rule == .enforce)
            gate.open()
            await lab.log.appearance(of: "overrides loaded")
            #expect(try lab.answerAtOnce("example.com")?.rule == .exempt)
        }
        #expect(lab.log.messages.count { $0.hasPrefix("overrides are not loaded") } == 1)
    }

    @Test func `an archive that fails is not waited for, and tried again`() async throws {
        let lab = lab(keeping: .override(try exemption()))
        lab.archive.failOrders(with: ArchiveFailure("locked"))
        lab.publish("example.com")
        try await lab.run {
            let before = try await lab.answer("example.com").rule
            #expect(before == .enforce)
            lab.archive.failOrders(with: nil)
            while lab.service.overrides().isEmpty { await lab.clock.pass(.seconds(30)) }
            let after = try await lab.answer("example.com").rule
            #expect(after == .exempt)
        }
    }

    @Test func `what was ordered while the archive failed is in force, said to be in memory only, and kept later`()
        async throws
    {
        let lab = Lab()
        lab.archive.fail(with: ArchiveFailure("disk full"))
        try await lab.run {
            await lab.log.appearance(of: "archive failed, going on from memory")
            let outcome = try await lab.service.order(try exemption())
            #expect(outcome == .inMemoryOnly("disk full"))
            let observing = await lab.service.observe(false, author: "root")
            #expect(observing == .inMemoryOnly("disk full"))
            let rule = try await lab.answer("example.com").rule
            #expect(rule == .exempt)
            lab.archive.fail(with: nil)
            while !lab.log.messages.contains("archive works again") { await lab.clock.pass(.seconds(30)) }
        }
        #expect(lab.archive.override(of: try domain("example.com")) != nil)
        #expect(lab.archive.observe?.isOn == false)
    }

    @Test func `without an archive every order is in memory only`() async throws {
        let lab = Lab(keepsNothing: true)
        try await lab.run {
            guard case .inMemoryOnly(let reason) = try await lab.service.order(try exemption()) else {
                throw Unexpected(what: "kept")
            }
            #expect(reason.contains("cache.store"))
            let rule = try await lab.answer("example.com").rule
            #expect(rule == .exempt)
        }
    }

    @Test func `what is removed before it is loaded does not come back`() async throws {
        let lab = lab(keeping: .override(try exemption()), .override(try exemption("other.example")))
        let gate = lab.archive.holdOrders()
        try await lab.run {
            await gate.arrivals()
            let (removed, outcome) = await lab.service.removeOverride(of: try domain("example.com"), author: "root")
            #expect(removed == nil && outcome == .kept)
            gate.open()
            await lab.log.appearance(of: "overrides loaded")
            #expect(lab.service.overrides() == [try exemption("other.example")])
        }
        #expect(lab.archive.override(of: try domain("example.com")) == nil)
    }

    @Test func `what is removed while the archive fails does not come back when it is opened again`() async throws {
        let lab = lab(keeping: .override(try exemption()))
        try await lab.run {
            await lab.log.appearance(of: "overrides loaded")
            lab.archive.fail(with: ArchiveFailure("read-only"))
            let (removed, outcome) = await lab.service.removeOverride(of: try domain("example.com"), author: "root")
            #expect(removed != nil && outcome == .inMemoryOnly("read-only"))
            lab.archive.fail(with: nil)
            while !lab.log.messages.contains("archive works again") { await lab.clock.pass(.seconds(30)) }
            #expect(lab.service.overrides() == [])
        }
        #expect(lab.archive.override(of: try domain("example.com")) == nil)
    }

    @Test func `an archive that is lost gets all orders again`() async throws {
        let lab = Lab()
        try await lab.run {
            _ = try await lab.service.order(try exemption())
            _ = await lab.service.observe(true, author: "root")
            lab.archive.vanish()
            _ = try await lab.service.order(try exemption("other.example"))
            while !lab.log.messages.contains("archive works again") { await lab.clock.pass(.seconds(30)) }
        }
        for name in ["example.com", "other.example"] {
            #expect(lab.archive.override(of: try domain(name)) == (try exemption(name)))
        }
        #expect(lab.archive.observe?.isOn == true)
    }

    @Test func `an order that cannot be read is told once and left where it is; the others count`() async throws {
        let lab = lab(
            keeping: .unreadable(subject: "bro\nken", reason: "kind is none"), .override(try exemption()))
        lab.archive.failOrders(with: ArchiveFailure("locked"))
        try await lab.run {
            lab.archive.failOrders(with: nil)
            while lab.service.overrides().isEmpty { await lab.clock.pass(.seconds(30)) }
            lab.archive.vanish()
            while !lab.log.messages.contains("archive works again") { await lab.clock.pass(.seconds(5)) }
        }
        let lines = lab.log.entries.filter { $0.message == "kept order cannot be read, left out" }
        #expect(lines.map { $0.facts["domain"] } == [#"bro\x0Aken"#])
        #expect(lab.archive.commits.allSatisfy { !$0.contains { change in change.isLift } })
    }

    @Test func `the end lets go of who waits for orders`() async throws {
        let lab = Lab()
        lab.archive.failOrders(with: ArchiveFailure("gone"))
        let gate = lab.archive.holdOrders()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await lab.service.run() }
            async let answer = lab.answer("example.com")
            await gate.arrivals()
            group.cancelAll()
            gate.open()
            _ = try await answer
        }
        #expect(!lab.log.messages.contains { $0.hasPrefix("overrides are not loaded") })
    }
}

extension ArchiveChange {
    fileprivate var isLift: Bool {
        if case .lift = self { true } else { false }
    }
}
