import AdminAPI
import AdminServer
import Discovery
import Foundation
import Glibc
import MTASTS
import PolicyCaching
import Testing
import TestSupport
import TextFormats

/// Each route, over the socket, with a real policy service.
@Suite(.timeLimit(.minutes(5))) struct AdminServiceTests {
    private var me: String { Peer(user: getuid(), process: 0).author }

    @Test func `status has the settings, the cache and the failing domains`() async throws {
        let fixture = try AdminFixture()
        fixture.publish("good.example")
        fixture.resolver.script("_mta-sts.bad.example", type: .txt, reply: .failure(.responseCode(2)))
        try await fixture.withClient { client in
            try await fixture.lookUp("good.example")
            try await fixture.lookUp("bad.example")
            let status: StatusResponse = try await client.get(.status)
            #expect(status.version == "9.9.9")
            #expect(status.process == Int(getpid()))
            #expect(status.startedAt.time == fixture.clock.now)
            #expect(status.runtime.upstreams == ["192.0.2.53"])
            #expect(status.cache.domains == 2)
            #expect(status.cache.states == [.enforce: 1, .unknown: 1, .testing: 0, .none: 0, .noPolicy: 0])
            #expect(status.cache.failing == 1)
            #expect(status.failing.map(\.domain) == ["bad.example"])
            #expect(status.failing.first?.failure?.contains("SERVFAIL") == true)
            #expect(status.soonestExpiry?.domain == "good.example")
            #expect(!status.observeMode.observing)
        }
    }

    @Test func `an entry has its policy, its record and its times`() async throws {
        let fixture = try AdminFixture()
        fixture.publish("example.com", id: "20260101", policy: policyText(mx: ["mx.example.com", "*.example.net"]))
        try await fixture.withClient { client in
            let asked = fixture.clock.now
            try await fixture.lookUp("example.com")
            let entry: EntryResponse = try await client.get(.entry("EXAMPLE.com"))
            #expect(entry.domain == "example.com")
            #expect(entry.state == .enforce)
            #expect(entry.policy?.published.mx == ["mx.example.com", "*.example.net"])
            #expect(entry.policy?.published.maxAge == 604_800)
            #expect(entry.policy?.id == "20260101")
            #expect(entry.policy?.applied == true)
            #expect(entry.policy?.expiresAt.time == asked + .seconds(604_800))
            #expect(entry.record?.outcome == .published)
            #expect(entry.lastLookupAt.time == asked)
            #expect(!entry.failing)
            await #expect(throws: AdminClientError.self) {
                try await client.get(.entry("other.example"), as: EntryResponse.self)
            }
        }
    }

    @Test func `an entry in the store only is shown; if the store cannot be read, the domain is not called unknown`()
        async throws
    {
        let now = ManualTime().now
        let fixture = try AdminFixture(store: MemoryPolicyStore([try storedPolicy("kept.example", at: now)]))
        let gate = fixture.store.pauseLoading()
        try await fixture.withClient { client in
            let entry: EntryResponse = try await client.get(.entry("kept.example"))
            #expect(entry.storeOnly)
            #expect(entry.policy?.published.mode == .enforce)
            fixture.store.fail(with: StoreError("disk on fire"))
            let failure = await #expect(throws: AdminClientError.self) {
                try await client.get(.entry("kept.example"), as: EntryResponse.self)
            }
            guard case .refused(status: 503, let problem)? = failure else {
                Issue.record("\(String(describing: failure))")
                return
            }
            #expect(problem.error.contains("disk on fire"))
            let explained: ExplainResponse = try await client.get(.explain("kept.example", live: false))
            #expect(explained.storeFailure?.contains("disk on fire") == true)
            gate.open()
        }
    }

    @Test func `DANE is explained for each host, with each answer of DNS`() async throws {
        let fixture = try AdminFixture()
        fixture.publish("example.com")
        fixture.validated.script(
            "example.com", type: .mx,
            reply: .secure(.records([mxData(10, name: "mx1.example.com"), mxData(20, name: "mx2.example.com")])))
        for host in ["mx1.example.com", "mx2.example.com"] {
            fixture.validated.script(host, type: .a, reply: .secure(.records([[192, 88, 98, 2]])))
            fixture.validated.script(host, type: .aaaa, reply: .secure(.noData))
        }
        let usable = [[3, 1, 1] + Array(repeating: UInt8(7), count: 32)]
        fixture.validated.script("_25._tcp.mx1.example.com", type: .tlsa, reply: .secure(.records(usable)))
        fixture.validated.script("_25._tcp.mx2.example.com", type: .tlsa, reply: .failure(.responseCode(2)))
        try await fixture.withClient { client in
            #expect(
                try await client.get(.status, as: StatusResponse.self).runtime.dane == .suspended)
            fixture.policies.useDANE(true)
            #expect(try await client.get(.status, as: StatusResponse.self).runtime.dane == .on)
            try await fixture.lookUp("example.com")
            let explained: ExplainResponse = try await client.get(.explain("example.com", live: false))
            #expect(explained.answer.rule == .dane)
            #expect(explained.answer.section == "RFC 7672 §2.2, RFC 8461 §2")
            let dane = try #require(explained.dane)
            #expect(dane.coverage == .complete)
            #expect(dane.mx == "MX records, secure")
            #expect(dane.mxAnswer == "example.com MX: secure, 2 records, TTL 300")
            #expect(dane.hosts.map(\.name) == ["mx1.example.com", "mx2.example.com"])
            #expect(dane.hosts[0].status.contains("1 of 1 secure TLSA records at mx1.example.com usable"))
            #expect(dane.hosts[1].status.contains("SERVFAIL"))
            #expect(
                dane.hosts[0].answers == [
                    "mx1.example.com A: secure, 1 record, TTL 300",
                    "mx1.example.com AAAA: secure, no such record (NODATA), TTL 300",
                    "_25._tcp.mx1.example.com TLSA: secure, 1 record, TTL 300",
                ])
            #expect(dane.reason?.contains("_25._tcp.mx2.example.com TLSA: SERVFAIL") == true)
            #expect(explained.failures.map(\.kind) == [.dane])
        }
    }

    @Test func `observe mode is switched, shown, and suppresses every reply`() async throws {
        let fixture = try AdminFixture()
        fixture.publish("example.com")
        try await fixture.withClient { [me] client in
            try await fixture.lookUp("example.com")
            let on: ObserveModeResponse = try await client.put(.observe, body: ObserveModeRequest(observing: true))
            #expect(on.observing)
            #expect(on.author == me)
            #expect(on.saved == true)
            #expect(try await fixture.lookUp("example.com").rule == .observe)
            let explained: ExplainResponse = try await client.get(.explain("example.com", live: false))
            #expect(explained.answer.rule == .observe)
            #expect(explained.suppressed?.rule == .enforce)
            let off: ObserveModeResponse = try await client.put(.observe, body: ObserveModeRequest(observing: false))
            #expect(!off.observing)
            #expect(try await client.get(.observe, as: ObserveModeResponse.self).observing == false)
            #expect(try await fixture.lookUp("example.com").rule == .enforce)
        }
    }

    @Test func `a refresh fetches regardless of the id, and after a failure the cached policy applies`() async throws {
        let fixture = try AdminFixture()
        fixture.publish("example.com")
        try await fixture.withClient { client in
            try await fixture.lookUp("example.com")
            fixture.clock.advance(.seconds(100))
            let same: RefreshResponse = try await client.post(.refresh("example.com"))
            #expect(same.outcome == .renewed)
            #expect(same.policy?.fetchedAt.time == fixture.clock.now)
            fixture.clock.advance(.seconds(100))
            fixture.publish("example.com", policy: policyText(mx: ["other.example.com"]))
            let changed: RefreshResponse = try await client.post(.refresh("example.com"))
            #expect(changed.outcome == .changed)
            #expect(changed.text.contains("other.example.com"))
            fixture.clock.advance(.seconds(100))
            fixture.fetcher.script("mta-sts.example.com", reply: .failure(.http(.status(503))))
            let failed: RefreshResponse = try await client.post(.refresh("example.com"))
            #expect(failed.outcome == .fetchFailed)
            #expect(failed.text.contains("503"))
            #expect(failed.state == .enforce)
            let none: RefreshResponse = try await client.post(.refresh("never.example"))
            #expect(none.outcome == .noRecord)
            #expect(none.state == .noPolicy)
        }
    }

    @Test func `a forgotten domain is removed, from the store too`() async throws {
        let fixture = try AdminFixture()
        fixture.publish("example.com")
        try await fixture.withClient { client in
            try await fixture.lookUp("example.com")
            let forgotten: ForgetResponse = try await client.delete(.entry("example.com"))
            #expect(forgotten.saved)
            #expect(try fixture.store[domain("example.com")] == nil)
            await #expect(throws: AdminClientError.self) {
                try await client.delete(.entry("example.com"), as: ForgetResponse.self)
            }
        }
    }

    @Test func `explain has the answer, the rule with its section, and the next step`() async throws {
        let fixture = try AdminFixture()
        fixture.publish("example.com")
        try await fixture.withClient { client in
            let new: ExplainResponse = try await client.get(.explain("example.com", live: false))
            #expect(new.knowledge.outcome == .unknown)
            #expect(new.knowledge.text == "Postfix has not looked the domain up yet")
            #expect(new.entry == nil)
            try await fixture.lookUp("example.com")
            fixture.policies.noteLookup(
                Destination(domain: try domain("example.com"), port: 587, isHost: true), rule: .enforce, reply: "secure"
            )
            let explained: ExplainResponse = try await client.get(.explain("Example.COM", live: false))
            #expect(explained.domain == "example.com")
            #expect(explained.answer.rule == .enforce)
            #expect(explained.answer.section == "RFC 8461 §5")
            #expect(explained.answer.replies == ["classic": "enforce", "sts": "enforce"])
            #expect(explained.knowledge.outcome == .policy)
            #expect(explained.entry?.policy?.published.mode == .enforce)
            #expect(explained.next.action == .answer)
            #expect(explained.lookups.map(\.port) == [587])
            #expect(explained.lookups.map(\.host) == [true])
            #expect(explained.live == nil)
            #expect(explained.differences == nil)
        }
    }

    @Test func `explain live has a fresh discovery and the differences`() async throws {
        let fixture = try AdminFixture()
        fixture.publish("example.com")
        try await fixture.withClient { client in
            try await fixture.lookUp("example.com")
            let explained: ExplainResponse = try await client.get(.explain("example.com", live: true))
            #expect(explained.live?.rule == .noPolicy)
            let differences = explained.differences ?? []
            #expect(differences.map(\.property) == [.rule, .reply, .record, .policy])
            #expect(differences.first == Difference(property: .rule, cached: "enforce", live: "no-policy"))
            #expect(differences.last == Difference(property: .policy, cached: "mode enforce", live: "none"))
        }
    }

    @Test func `explain has a past failure`() async throws {
        let fixture = try AdminFixture()
        fixture.resolver.script("_mta-sts.example.com", type: .txt, reply: .failure(.timedOut(after: .seconds(5))))
        try await fixture.withClient { client in
            try await fixture.lookUp("example.com")
            let explained: ExplainResponse = try await client.get(.explain("example.com", live: false))
            #expect(explained.failures.map(\.kind) == [.record])
            #expect(explained.failures.first?.text.contains("no answer within 5 s (servers 192.0.2.53)") == true)
            #expect(explained.knowledge.outcome == .unknown)
            #expect(explained.answer.reason.contains("could not be found out"))
        }
    }

    @Test func `a reload has the result or the error of its dependency`() async throws {
        let fixture = try AdminFixture()
        try await fixture.withClient { client in
            let reloaded: ReloadResponse = try await client.post(.reload)
            #expect(reloaded == ReloadResponse(changed: ["log.level"], needsRestart: ["cache.path"]))
        }
        let other = try AdminFixture()
        var dependencies = other.dependencies
        dependencies.reload = { () throws(ReloadError) in throw ReloadError("config.yaml:3: no") }
        try await other.withClient(dependencies: dependencies) { client in
            let problem = ProblemDetails("config.yaml:3: no", hint: "the previous configuration is still in force")
            await #expect(throws: AdminClientError.refused(status: 409, problem)) {
                try await client.post(.reload, as: ReloadResponse.self)
            }
        }
    }

    @Test func `each request that changes something is logged with its user, also a refused one`() async throws {
        let fixture = try AdminFixture()
        try await fixture.withClient { [me] client in
            _ = try await client.get(.status, as: StatusResponse.self)
            _ = try await client.put(
                .exemption("example.com"), body: ExemptionRequest(reason: "r"), as: OverrideChangeResponse.self)
            _ = try? await client.delete(.pin("example.com"), as: OverrideChangeResponse.self)
            let lines = fixture.log.entries.filter { $0.message == "admin request" }
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
