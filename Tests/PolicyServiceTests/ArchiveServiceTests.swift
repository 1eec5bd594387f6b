import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// The service and its archive: what is written when, and what happens when it fails.
@Suite(.timeLimit(.minutes(5))) struct ArchiveServiceTests {
    private typealias Lab = PolicyServiceTests.Lab

    @Test func `a lookup before its policy is loaded is answered from the archive, though DNS is dead`() async throws {
        let archive = MemoryArchive([try archived("example.com", at: ManualTime().now)])
        let loading = archive.holdLoading()
        let lab = Lab(archive: archive)
        let gate = lab.resolver.hold("_mta-sts.example.com", .txt)
        try await lab.run {
            await loading.arrivals()
            async let answer = lab.answer("example.com")
            await gate.arrivals()
            await lab.clock.pass(.seconds(2))
            let decision = try await answer
            #expect(decision.rule == .enforce)
            gate.open()
            loading.open()
        }
    }

    @Test func `a domain that is nowhere is asked for in DNS, during loading too`() async throws {
        let archive = MemoryArchive()
        let loading = archive.holdLoading()
        let lab = Lab(archive: archive)
        lab.publish("example.com")
        try await lab.run {
            let decision = try await lab.answer("example.com")
            #expect(decision.rule == .enforce)
            loading.open()
        }
    }

    @Test func `what was learnt while the archive failed is kept when it works again; trouble and end are told once`()
        async throws
    {
        let lab = Lab()
        lab.archive.fail(with: ArchiveFailure("disk full"))
        let names = try (1...5).map { try domain("d\($0).example") }
        try await lab.run {
            for name in names {
                lab.publish("\(name)")
                let decision = try await lab.answer("\(name)")
                #expect(decision.rule == .enforce)
            }
            lab.archive.fail(with: nil)
            while !lab.log.messages.contains("archive works again") { await lab.clock.pass(.seconds(30)) }
        }
        for name in names { #expect(lab.archive[name] != nil) }
        #expect(lab.log.messages.count { $0 == "archive failed, going on from memory" } == 1)
        #expect(lab.log.messages.count { $0 == "archive works again" } == 1)
    }

    @Test func `an archive that is lost gets everything again`() async throws {
        let lab = Lab()
        try await lab.run {
            for name in ["a.example", "b.example"] {
                lab.publish(name)
                _ = try await lab.answer(name)
            }
            lab.archive.vanish()
            lab.publish("c.example")
            _ = try await lab.answer("c.example")
            while !lab.log.messages.contains("archive works again") { await lab.clock.pass(.seconds(30)) }
        }
        for name in ["a.example", "b.example", "c.example"] { #expect(lab.archive[try domain(name)] != nil, "\(name)") }
    }

    @Test func `what was read from a file that could not be written is in the new one, once that one is moved away`()
        async throws
    {
        let kept = try (1...5).map { try archived("d\($0).example", at: ManualTime().now) }
        let lab = Lab(archive: MemoryArchive(kept))
        lab.archive.failOpening(with: ArchiveFailure("damaged"))
        try await lab.run {
            await lab.log.appearance(of: "policies loaded")
            lab.archive.vanish()
            lab.archive.failOpening(with: nil)
            while !lab.log.messages.contains("archive works again") { await lab.clock.pass(.seconds(30)) }
        }
        for policy in kept { #expect(lab.archive[policy.domain] != nil) }
    }

    @Test func `a loss is noticed though nothing changes`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        try await lab.run {
            _ = try await lab.answer("example.com")
            lab.archive.vanish()
            while !lab.log.messages.contains("archive works again") { await lab.clock.pass(.seconds(5)) }
        }
        #expect(lab.archive[try domain("example.com")] != nil)
    }

    @Test func `a loss is noticed at the end`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        try await lab.run {
            _ = try await lab.answer("example.com")
            lab.archive.vanish()
        }
        #expect(lab.archive[try domain("example.com")] != nil)
        #expect(lab.log.messages.suffix(2) == ["archive failed, going on from memory", "archive works again"])
    }

    @Test func `the end commits what nobody waited for`() async throws {
        let kept = try archived("example.com", at: ManualTime().now)
        let lab = Lab(archive: MemoryArchive([kept]))
        lab.publish("example.com")
        lab.fetcher.script("mta-sts.example.com", .failure(.http(.status(500))))
        try await lab.run {
            await lab.log.appearance(of: "policies loaded")
            while lab.fetcher.requests.isEmpty { await lab.passHour() }
            await lab.log.appearance(of: "policy fetch failed")
        }
        #expect(lab.archive[try domain("example.com")]?.failure?.count == 1)
        #expect(lab.archive.commits.isEmpty == false)
    }

    @Test func `STS-3.3-p after a day a policy that is in use is fetched again, and kept`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        try await lab.run {
            _ = try await lab.answer("example.com")
            lab.publish("example.com", policy: policyText(mx: ["new.example.com"]))
            while lab.fetcher.requests.count < 2 { await lab.passHour() }
            await lab.log.appearance(of: "policy replaced")
        }
        #expect(lab.clock.now - ManualTime().now <= .seconds(25 * 3_600))
        let kept = lab.archive[try domain("example.com")]
        #expect(kept?.text == Array(policyText(mx: ["new.example.com"]).utf8))
        #expect(lab.resolver.count("_mta-sts.example.com", .txt) == 1)
    }

    @Test func `what is long over is deleted, seven days after it was seen so`() async throws {
        let kept = try archived("example.com", at: ManualTime().now)
        let lab = Lab(archive: MemoryArchive([kept]))
        let name = try domain("example.com")
        try await lab.run {
            var days = 0
            while lab.archive[name] != nil, days < 60 {
                for _ in 1...24 { await lab.passHour() }
                days += 1
            }
            #expect((14...16).contains(days), "\(days)")
        }
    }

    @Test func `the end of an enforced policy that had to leave memory is a warning, once, also after a restart`()
        async throws
    {
        let names = ["a.example", "b.example", "c.example"]
        let kept = try names.map { try archived($0, at: ManualTime().now) }
        var ledger = LedgerSettings()
        ledger.maximumDomains = 1
        let lab = Lab(archive: MemoryArchive(kept), ledger: ledger)
        @Sendable func ends(_ log: LogRecorder) -> [String] {
            log.entries.filter { $0.message == "enforced policy expired, mail goes without it" }
                .compactMap { $0.facts["domain"] }.sorted()
        }
        try await lab.run {
            for _ in 1...(24 * 9) { await lab.passHour() }
            #expect(ends(lab.log) == names)
        }
        let next = Lab(archive: lab.archive, ledger: ledger, clock: lab.clock)
        try await next.run {
            for _ in 1...24 { await next.passHour() }
        }
        #expect(ends(next.log).isEmpty)
    }

    @Test func `a commit that nobody can finish holds nobody at the end`() async throws {
        let lab = Lab()
        lab.publish("example.com")
        lab.archive.fail(with: ArchiveFailure("gone"))
        try await lab.run { _ = try await lab.answer("example.com") }
        #expect(lab.log.messages.contains("policies not kept: the archive did not work until the end"))
    }
}

extension PolicyServiceTests.Lab {
    /// Lets an hour pass, and the background do its hourly work.
    func passHour() async {
        let purges = archive.purges
        await clock.pass(.seconds(3_600))
        while archive.purges == purges, !Task.isCancelled { await Task.yield() }
    }
}
