import Admin
import Discovery
import Foundation
import Glibc
import MTASTS
import PolicyService
import Testing
import TestSupport

/// Each route, over the socket, against a real policy service.
@Suite(.timeLimit(.minutes(5))) struct AdminServiceTests {
    private var me: String { Peer(user: getuid(), process: 0).author }

    @Test func `status tells how the daemon is set up, what it knows and what fails`() async throws {
        let lab = try AdminLab()
        lab.publish("good.example")
        lab.resolver.script("_mta-sts.bad.example", .txt, .failure(.responseCode(2)))
        try await lab.ask { client in
            try await lab.look(up: "good.example")
            try await lab.look(up: "bad.example")
            let status: Status = try await client.get(.status)
            #expect(status.version == "9.9.9")
            #expect(status.process == Int(getpid()))
            #expect(status.startedAt.time == lab.clock.now)
            #expect(status.setup.upstreams == ["192.0.2.53"])
            #expect(status.cache.domains == 2)
            #expect(status.cache.states == ["enforce": 1, "unknown": 1, "testing": 0, "none": 0, "no-policy": 0])
            #expect(status.cache.failing == 1)
            #expect(status.failing.map(\.domain) == ["bad.example"])
            #expect(status.failing.first?.failure?.contains("SERVFAIL") == true)
            #expect(status.soonestExpiry?.domain == "good.example")
            #expect(!status.observation.observing)
        }
    }

    @Test func `a domain is shown with its policy, its record and its times`() async throws {
        let lab = try AdminLab()
        lab.publish("example.com", id: "20260101", policy: policyText(mx: ["mx.example.com", "*.example.net"]))
        try await lab.ask { client in
            let asked = lab.clock.now
            try await lab.look(up: "example.com")
            let entry: Entry = try await client.get(.entry("EXAMPLE.com"))
            #expect(entry.domain == "example.com")
            #expect(entry.state == "enforce")
            #expect(entry.policy?.mx == ["mx.example.com", "*.example.net"])
            #expect(entry.policy?.maxAge == 604_800)
            #expect(entry.policy?.id == "20260101")
            #expect(entry.policy?.applied == true)
            #expect(entry.policy?.expiresAt.time == asked + .seconds(604_800))
            #expect(entry.record?.outcome == "published")
            #expect(entry.askedAt.time == asked)
            #expect(!entry.failing)
            await #expect(throws: AdminClientFailure.self) {
                try await client.get(.entry("other.example"), as: Entry.self)
            }
        }
    }

    @Test func `a domain that is in the archive only is shown; where that cannot be read, it is not called unknown`()
        async throws
    {
        let now = ManualTime().now
        let lab = try AdminLab(archive: MemoryArchive([try archived("kept.example", at: now)]))
        let gate = lab.archive.holdLoading()
        try await lab.ask { client in
            let entry: Entry = try await client.get(.entry("kept.example"))
            #expect(entry.inArchiveOnly)
            #expect(entry.policy?.mode == "enforce")
            lab.archive.fail(with: ArchiveFailure("disk on fire"))
            let failure = await #expect(throws: AdminClientFailure.self) {
                try await client.get(.entry("kept.example"), as: Entry.self)
            }
            guard case .refused(status: 503, let problem)? = failure else {
                Issue.record("\(String(describing: failure))")
                return
            }
            #expect(problem.error.contains("disk on fire"))
            let explained: Explained = try await client.get(.explain("kept.example", live: false))
            #expect(explained.archiveFailure?.contains("disk on fire") == true)
            gate.open()
        }
    }

    @Test func `DANE is explained host by host, with each answer of DNS`() async throws {
        let lab = try AdminLab()
        lab.publish("example.com")
        lab.validated.script(
            "example.com", .mx, .secure(.records([mxData(10, "mx1.example.com"), mxData(20, "mx2.example.com")])))
        for host in ["mx1.example.com", "mx2.example.com"] {
            lab.validated.script(host, .a, .secure(.records([[192, 88, 98, 2]])))
            lab.validated.script(host, .aaaa, .secure(.noData))
        }
        let usable = [[3, 1, 1] + Array(repeating: UInt8(7), count: 32)]
        lab.validated.script("_25._tcp.mx1.example.com", .tlsa, .secure(.records(usable)))
        lab.validated.script("_25._tcp.mx2.example.com", .tlsa, .failure(.responseCode(2)))
        try await lab.ask { client in
            #expect(
                try await client.get(.status, as: Status.self).setup.dane == "off while the DNS servers strip DNSSEC")
            lab.policies.useDANE(true)
            #expect(try await client.get(.status, as: Status.self).setup.dane == "on")
            try await lab.look(up: "example.com")
            let explained: Explained = try await client.get(.explain("example.com", live: false))
            #expect(explained.answer.rule == "dane")
            #expect(explained.answer.section == "RFC 7672 §2.2, RFC 8461 §2")
            let dane = try #require(explained.dane)
            #expect(dane.coverage == "complete")
            #expect(dane.mx == "MX records, secure")
            #expect(dane.mxAnswer == "example.com MX: secure, 2 records, TTL 300")
            #expect(dane.hosts.map(\.name) == ["mx1.example.com", "mx2.example.com"])
            #expect(dane.hosts[0].judgement.contains("1 of 1 secure TLSA records at mx1.example.com usable"))
            #expect(dane.hosts[1].judgement.contains("SERVFAIL"))
            #expect(
                dane.hosts[0].answers == [
                    "mx1.example.com A: secure, 1 record, TTL 300",
                    "mx1.example.com AAAA: secure, no such record (NODATA), TTL 300",
                    "_25._tcp.mx1.example.com TLSA: secure, 1 record, TTL 300",
                ])
            #expect(dane.reason?.contains("_25._tcp.mx2.example.com TLSA: SERVFAIL") == true)
            #expect(explained.failures.map(\.what) == ["dane"])
        }
    }

    @Test func `an exemption is in force at once, signed by the peer, listed, and gone when it is removed`()
        async throws
    {
        let lab = try AdminLab()
        lab.publish("example.com")
        try await lab.ask { [me] client in
            #expect(try await lab.look(up: "example.com").rule == .enforce)
            let until = Timestamp(lab.clock.now + .seconds(3_600))
            let receipt: OrderReceipt = try await client.put(
                .exemption("example.com"), Exemption(reason: "broken, #4711", until: until))
            #expect(receipt.kept, "\(receipt)")
            #expect(receipt.order.author == me)
            #expect(receipt.order.until == until)
            #expect(receipt.order.as == "not-found")
            #expect(try await lab.look(up: "example.com").rule == .exempt)
            #expect(try await client.get(.exemptions, as: OrderList.self).orders == [receipt.order])
            #expect(try await client.get(.exemption("example.com"), as: Order.self) == receipt.order)
            #expect(try await client.get(.pins, as: OrderList.self).orders == [])
            let removed: OrderReceipt = try await client.delete(.exemption("example.com"))
            #expect(removed.order == receipt.order)
            #expect(try await lab.look(up: "example.com").rule == .enforce)
            await #expect(throws: AdminClientFailure.refused(status: 404, Problem("example.com is not exempted"))) {
                try await client.delete(.exemption("example.com"), as: OrderReceipt.self)
            }
        }
    }

    @Test func `an exemption as may says may`() async throws {
        let lab = try AdminLab()
        try await lab.ask { client in
            let receipt: OrderReceipt = try await client.put(
                .exemption("example.com"), Exemption(reason: "r", as: "may"))
            #expect(receipt.order.as == "may")
            #expect(try await lab.look(up: "example.com").action == .may)
        }
    }

    @Test func `a pin replaces an exemption, and says so`() async throws {
        let lab = try AdminLab()
        try await lab.ask { client in
            let _: OrderReceipt = try await client.put(.exemption("example.com"), Exemption(reason: "first"))
            let receipt: OrderReceipt = try await client.put(
                .pin("example.com"), Pin(reason: "second", match: ["MX.example.com", "*.example.net"]))
            #expect(receipt.replaced?.reason == "first")
            #expect(receipt.order.match == ["mx.example.com", "*.example.net"])
            #expect(try await lab.look(up: "example.com").rule == .pin)
            #expect(try await client.get(.exemptions, as: OrderList.self).orders == [])
            let problem = Problem("example.com is not exempted", hint: "it is pinned")
            await #expect(throws: AdminClientFailure.refused(status: 404, problem)) {
                try await client.delete(.exemption("example.com"), as: OrderReceipt.self)
            }
            let _: OrderReceipt = try await client.delete(.pin("example.com"))
        }
    }

    @Test func `status counts what was ordered a moment ago`() async throws {
        let lab = try AdminLab()
        try await lab.ask { client in
            #expect(try await client.get(.status, as: Status.self).orders.exempted == 0)
            let _: OrderReceipt = try await client.put(.exemption("example.com"), Exemption(reason: "r"))
            #expect(try await client.get(.status, as: Status.self).orders.exempted == 1)
        }
    }

    @Test func `an order that cannot be written down is in force, and the receipt says what is lost`() async throws {
        let lab = try AdminLab()
        try await lab.ask { client in
            lab.archive.fail(with: ArchiveFailure("disk full"))
            let receipt: OrderReceipt = try await client.put(.exemption("example.com"), Exemption(reason: "r"))
            #expect(!receipt.kept)
            #expect(receipt.warning?.contains("disk full") == true)
            #expect(try await lab.look(up: "example.com").rule == .exempt)
        }
    }

    @Test func `observe mode is switched, shown, and has Postfix told nothing`() async throws {
        let lab = try AdminLab()
        lab.publish("example.com")
        try await lab.ask { [me] client in
            try await lab.look(up: "example.com")
            let on: Observation = try await client.put(.observe, ObservationOrder(observing: true))
            #expect(on.observing)
            #expect(on.author == me)
            #expect(on.kept == true)
            #expect(try await lab.look(up: "example.com").rule == .observe)
            let explained: Explained = try await client.get(.explain("example.com", live: false))
            #expect(explained.answer.rule == "observe")
            #expect(explained.withheld?.rule == "enforce")
            let off: Observation = try await client.put(.observe, ObservationOrder(observing: false))
            #expect(!off.observing)
            #expect(try await client.get(.observe, as: Observation.self).observing == false)
            #expect(try await lab.look(up: "example.com").rule == .enforce)
        }
    }

    @Test func `a refresh fetches now, whatever the id says, and a failed one keeps what is held`() async throws {
        let lab = try AdminLab()
        lab.publish("example.com")
        try await lab.ask { client in
            try await lab.look(up: "example.com")
            lab.clock.advance(.seconds(100))
            let same: Refreshed = try await client.post(.refresh("example.com"))
            #expect(same.outcome == Refreshed.renewed)
            #expect(same.policy?.fetchedAt.time == lab.clock.now)
            lab.clock.advance(.seconds(100))
            lab.publish("example.com", policy: policyText(mx: ["other.example.com"]))
            let changed: Refreshed = try await client.post(.refresh("example.com"))
            #expect(changed.outcome == Refreshed.changed)
            #expect(changed.text.contains("other.example.com"))
            lab.clock.advance(.seconds(100))
            lab.fetcher.script("mta-sts.example.com", .failure(.http(.status(503))))
            let failed: Refreshed = try await client.post(.refresh("example.com"))
            #expect(failed.outcome == Refreshed.fetchFailed)
            #expect(failed.text.contains("503"))
            #expect(failed.state == "enforce")
            let none: Refreshed = try await client.post(.refresh("never.example"))
            #expect(none.outcome == Refreshed.noRecord)
            #expect(none.state == "no-policy")
        }
    }

    @Test func `a forgotten domain is gone, from the archive too`() async throws {
        let lab = try AdminLab()
        lab.publish("example.com")
        try await lab.ask { client in
            try await lab.look(up: "example.com")
            let forgotten: Forgotten = try await client.delete(.entry("example.com"))
            #expect(forgotten.kept)
            #expect(try lab.archive[domain("example.com")] == nil)
            await #expect(throws: AdminClientFailure.self) {
                try await client.delete(.entry("example.com"), as: Forgotten.self)
            }
        }
    }

    @Test func `explain gives the answer, the rule with its section, and what comes next`() async throws {
        let lab = try AdminLab()
        lab.publish("example.com")
        try await lab.ask { client in
            let new: Explained = try await client.get(.explain("example.com", live: false))
            #expect(new.known.outcome == "unknown")
            #expect(new.known.text == "nobody has asked for the domain yet")
            #expect(new.entry == nil)
            try await lab.look(up: "example.com")
            lab.policies.noteLookup(
                DANEDestination(domain: try domain("example.com"), port: 587, isHost: true), .enforce, reply: "secure")
            let explained: Explained = try await client.get(.explain("Example.COM", live: false))
            #expect(explained.domain == "example.com")
            #expect(explained.answer.rule == "enforce")
            #expect(explained.answer.section == "RFC 8461 §5")
            #expect(explained.answer.replies == ["classic": "enforce", "sts": "enforce"])
            #expect(explained.known.outcome == "policy")
            #expect(explained.entry?.policy?.mode == "enforce")
            #expect(explained.next.action == "answer")
            #expect(explained.lookups.map(\.port) == [587])
            #expect(explained.lookups.map(\.host) == [true])
            #expect(explained.live == nil)
            #expect(explained.differences == nil)
        }
    }

    @Test func `explain live puts a fresh discovery beside it and names what differs`() async throws {
        let lab = try AdminLab()
        lab.publish("example.com")
        try await lab.ask { client in
            try await lab.look(up: "example.com")
            let explained: Explained = try await client.get(.explain("example.com", live: true))
            #expect(explained.live?.rule == "no-policy")
            let differences = explained.differences ?? []
            #expect(differences.map(\.what) == ["rule", "reply", "record", "policy"])
            #expect(differences.first == Difference(what: "rule", served: "enforce", live: "no-policy"))
            #expect(differences.last == Difference(what: "policy", served: "mode enforce", live: "none"))
        }
    }

    @Test func `a failure stays to be explained`() async throws {
        let lab = try AdminLab()
        lab.resolver.script("_mta-sts.example.com", .txt, .failure(.timedOut(after: .seconds(5))))
        try await lab.ask { client in
            try await lab.look(up: "example.com")
            let explained: Explained = try await client.get(.explain("example.com", live: false))
            #expect(explained.failures.map(\.what) == ["record"])
            #expect(explained.failures.first?.text.contains("no answer within 5 s (servers 192.0.2.53)") == true)
            #expect(explained.known.outcome == "unknown")
            #expect(explained.answer.why.contains("could not be found out"))
        }
    }

    @Test func `a reload is done or refused by who wires it`() async throws {
        let lab = try AdminLab()
        try await lab.ask { client in
            let reloaded: Reloaded = try await client.post(.reload)
            #expect(reloaded == Reloaded(changed: ["log.level"], needsRestart: ["cache.path"]))
        }
        let other = try AdminLab()
        var seams = other.seams
        seams.reload = { () throws(ReloadRefusal) in throw ReloadRefusal("config.yaml:3: no") }
        try await other.ask(seams: seams) { client in
            let problem = Problem("config.yaml:3: no", hint: "the configuration that was in force still is")
            await #expect(throws: AdminClientFailure.refused(status: 409, problem)) {
                try await client.post(.reload, as: Reloaded.self)
            }
        }
    }

    @Test func `each request that changes something is logged with who sent it, also a refused one`() async throws {
        let lab = try AdminLab()
        try await lab.ask { [me] client in
            _ = try await client.get(.status, as: Status.self)
            _ = try await client.put(.exemption("example.com"), Exemption(reason: "r"), as: OrderReceipt.self)
            _ = try? await client.delete(.pin("example.com"), as: OrderReceipt.self)
            let lines = lab.log.entries.filter { $0.message == "admin request" }
            #expect(
                lines.map { $0.facts["request"] } == ["PUT /v1/exemptions/example.com", "DELETE /v1/pins/example.com"])
            #expect(lines.map { $0.facts["status"] } == ["200", "404"])
            for line in lines {
                #expect(line.facts["origin"] == "admin")
                #expect(line.facts["user"] == me)
                #expect(line.facts["uid"] == "\(getuid())")
                #expect(line.facts["pid"] == "\(getpid())")
            }
        }
    }
}
