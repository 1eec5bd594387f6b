import AdminAPI
import AdminServer
import Foundation
import Glibc
import MTASTS
import PolicyCaching
import PolicyRuntime
import Testing
import TestSupport
import TextFormats

/// Exemptions and pins, over the socket, with a real policy service.
@Suite(.timeLimit(.minutes(5))) struct OverrideTests {
    private var me: String { Peer(user: getuid(), process: 0).author }

    @Test func `an exemption is in force at once, has the peer as author, is listed, and ends when it is removed`()
        async throws
    {
        let fixture = try AdminFixture()
        fixture.publish("example.com")
        try await fixture.withClient { [me] client in
            #expect(try await fixture.lookUp("example.com").rule == .enforce)
            let until = Timestamp(fixture.clock.now + .seconds(3_600))
            let change: OverrideChangeResponse = try await client.put(
                .exemption("example.com"), body: ExemptionRequest(reason: "broken, #4711", until: until))
            #expect(change.saved, "\(change)")
            #expect(change.override.author == me)
            #expect(change.override.until == until)
            #expect(change.override.as == .notFound)
            #expect(try await fixture.lookUp("example.com").rule == .exempt)
            #expect(try await client.get(.exemptions, as: OverrideListResponse.self).overrides == [change.override])
            #expect(try await client.get(.exemption("example.com"), as: OverrideResponse.self) == change.override)
            #expect(try await client.get(.pins, as: OverrideListResponse.self).overrides == [])
            let removed: OverrideChangeResponse = try await client.delete(.exemption("example.com"))
            #expect(removed.override == change.override)
            #expect(try await fixture.lookUp("example.com").rule == .enforce)
            await #expect(throws: AdminClientError.refused(status: 404, ProblemDetails("example.com is not exempted")))
            {
                try await client.delete(.exemption("example.com"), as: OverrideChangeResponse.self)
            }
        }
    }

    @Test func `an exemption as may has the reply may`() async throws {
        let fixture = try AdminFixture()
        try await fixture.withClient { client in
            let change: OverrideChangeResponse = try await client.put(
                .exemption("example.com"), body: ExemptionRequest(reason: "r", as: .may))
            #expect(change.override.as == .may)
            #expect(try await fixture.lookUp("example.com").action == .may)
        }
    }

    @Test func `a pin replaces an exemption, and the response has both`() async throws {
        let fixture = try AdminFixture()
        try await fixture.withClient { client in
            let _: OverrideChangeResponse = try await client.put(
                .exemption("example.com"), body: ExemptionRequest(reason: "first"))
            let change: OverrideChangeResponse = try await client.put(
                .pin("example.com"), body: PinRequest(reason: "second", match: ["MX.example.com", "*.example.net"]))
            #expect(change.replaced?.reason == "first")
            #expect(change.override.match == ["mx.example.com", "*.example.net"])
            #expect(try await fixture.lookUp("example.com").rule == .pin)
            #expect(try await client.get(.exemptions, as: OverrideListResponse.self).overrides == [])
            let problem = ProblemDetails("example.com is not exempted", hint: "it is pinned")
            await #expect(throws: AdminClientError.refused(status: 404, problem)) {
                try await client.delete(.exemption("example.com"), as: OverrideChangeResponse.self)
            }
            let _: OverrideChangeResponse = try await client.delete(.pin("example.com"))
        }
    }

    @Test func `status counts an override that was set a moment ago`() async throws {
        let fixture = try AdminFixture()
        try await fixture.withClient { client in
            #expect(try await client.get(.status, as: StatusResponse.self).overrides.exempted == 0)
            let _: OverrideChangeResponse = try await client.put(
                .exemption("example.com"), body: ExemptionRequest(reason: "r"))
            #expect(try await client.get(.status, as: StatusResponse.self).overrides.exempted == 1)
        }
    }

    @Test func `an override that cannot be saved is in force, and the response has a warning`() async throws {
        let fixture = try AdminFixture()
        try await fixture.withClient { client in
            fixture.store.fail(with: StoreError("disk full"))
            let change: OverrideChangeResponse = try await client.put(
                .exemption("example.com"), body: ExemptionRequest(reason: "r"))
            #expect(!change.saved)
            #expect(change.warning?.contains("disk full") == true)
            #expect(try await fixture.lookUp("example.com").rule == .exempt)
        }
    }

    @Test func `removing an exemption does not remove a pin that replaced it, and the reverse`() async throws {
        let fixture = try AdminFixture()
        try await fixture.withClient { client in
            let _: OverrideChangeResponse = try await client.put(
                .exemption("example.com"), body: ExemptionRequest(reason: "r"))
            let pin: OverrideChangeResponse = try await client.put(.pin("example.com"), body: PinRequest(reason: "p"))
            let isPinned = ProblemDetails("example.com is not exempted", hint: "it is pinned")
            await #expect(throws: AdminClientError.refused(status: 404, isPinned)) {
                try await client.delete(.exemption("example.com"), as: OverrideChangeResponse.self)
            }
            #expect(try await client.get(.pin("example.com"), as: OverrideResponse.self) == pin.override)
            let _: OverrideChangeResponse = try await client.put(
                .exemption("example.com"), body: ExemptionRequest(reason: "r"))
            let isExempted = ProblemDetails("example.com is not pinned", hint: "it is exempted")
            await #expect(throws: AdminClientError.refused(status: 404, isExempted)) {
                try await client.delete(.pin("example.com"), as: OverrideChangeResponse.self)
            }
            #expect(try await fixture.lookUp("example.com").rule == .exempt)
        }
    }

    /// The check and the removal are one step: a pin that is set between a look and the removal stays.
    @Test func `the policy service removes an override of the named kind only`() async throws {
        let fixture = try AdminFixture()
        let domain = try domain("example.com")
        let pin = try Override(
            domain: domain, kind: .pin([]), reason: "p", author: "a", since: fixture.clock.now, until: nil)
        try await fixture.serve {
            _ = try await fixture.policies.set(pin)
            let removal = await fixture.policies.removeOverride(of: domain, category: .exemption, author: "a").removal
            #expect(removal == .otherCategory(pin))
            #expect(fixture.policies.overrides() == [pin])
        }
    }
}
