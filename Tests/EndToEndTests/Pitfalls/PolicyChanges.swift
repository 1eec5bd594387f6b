import Foundation
import Testing

extension EndToEnd {
    /// Pitfalls 13, 15–17 and 36, and a cached policy while DNS and the policy host change: STS-3.3-n, STS-5.1-b.
    ///
    /// Each bridge queries the TXT record again after a second, so that minutes become seconds.
    @Suite struct PolicyChanges {
        static let port: UInt16 = 8473
        static let quick = BridgeEnvironment(minimumTTL: "1s", maximumTTL: "1s")
        static let first = secure(MXHost.good.name)
        static let second = secure(MXHost.second.name)

        static func ask(_ domain: TestDomain) async throws -> String {
            try await SocketmapClient.ask(domain.name, port: port)
        }

        static func keepsFirstPolicy(_ domain: TestDomain) async throws {
            let reply = try await ask(domain)
            #expect(reply == first)
        }

        static func becomes(_ reply: String, for domain: TestDomain) async throws {
            _ = try await eventually("\(domain.name) becomes \(reply)") { try await ask(domain) == reply ? true : nil }
        }

        /// Publishes the domain, looks it up, changes it, and runs the rest.
        static func after(
            _ name: String, policy: String = Policy.enforce(), change: (inout TestDomain) -> Void,
            then rest: (TestNetwork, TestDomain) async throws -> Void
        ) async throws {
            let network = try TestNetwork.running
            let domain = TestDomain(name, policy: policy).with { $0.timeToLive = 1 }
            try await network.publish(domain)
            try await network.withBridge(port: port, surroundings: quick) { _ in
                #expect(try await ask(domain) == first)
                try await network.publish(domain.with(change))
                try await rest(network, domain)
            }
        }

        @Test func `pitfall 17, STS-5.1-b: with a new id the new policy is used`() async throws {
            try await Self.after("new-id.example") {
                $0.txt = [["v=STSv1; id=2;"]]
                $0.policyHost?.body = Data(Policy.enforce(MXHost.second.name).utf8)
                $0.policyHost?.location = "default_type text/plain; add_header Cache-Control max-age=3600;"
            } then: { network, domain in
                try await Self.becomes(Self.second, for: domain)
                let requests = network.web.requests(to: domain.policyHostName)
                #expect(requests.count == 2)
                #expect(requests.allSatisfy { $0.contains(" 200 ") && $0.contains("\"-\" \"-\"") }, "pitfall 36")
            }
        }

        @Test func `STS-5-d, STS-5-f: mail deferred by the old policy is sent by a retry after the new id`()
            async throws
        {
            let network = try TestNetwork.running
            let domain = TestDomain("mended.example", mx: [.good], policy: Policy.enforce(MXHost.second.name))
                .with { $0.timeToLive = 1 }
            try await network.publish(domain)
            let delivery = try await network.sender.send(to: "someone@\(domain.name)")
            #expect(delivery.first.status == "deferred")
            try await network.publish(
                domain.with {
                    $0.txt = [["v=STSv1; id=2;"]]
                    $0.policyHost?.body = Data(Policy.enforce().utf8)
                })
            // The TTL of one second has to end first.
            let verdict = try await eventually("the mail goes out") {
                let verdict = try await network.sender.retry(delivery)
                return verdict.status == "sent" ? verdict : nil
            }
            network.expectSent(verdict, at: .good, session: "Verified")
        }

        @Test func `STS-5-c: mode none with a new id ends enforcement at once`() async throws {
            try await Self.after("opt-out.example") {
                $0.txt = [["v=STSv1; id=2;"]]
                $0.policyHost?.body = Data(Policy.none().utf8)
            } then: { _, domain in
                try await Self.becomes("NOTFOUND ", for: domain)
            }
        }

        @Test func `pitfall 13, STS-8.3-b: a deleted TXT record does not end the policy`() async throws {
            try await Self.after("deleted.example") {
                $0.txt = []
            } then: { _, domain in
                try await throughout(.seconds(2.5)) { try await Self.keepsFirstPolicy(domain) }
            }
        }

        @Test func `STS-3.3-n, STS-3.3-o: a new id without a fetchable policy does not end the old policy`()
            async throws
        {
            try await Self.after("unfetchable.example") {
                $0.txt = [["v=STSv1; id=2;"]]
                $0.policyHost?.body = Data("mode: what\n".utf8)
            } then: { network, domain in
                _ = try await eventually("it tries to fetch") {
                    try await Self.keepsFirstPolicy(domain)
                    return network.web.requests(to: domain.policyHostName).count > 1 ? true : nil
                }
                try await throughout(.seconds(2)) { try await Self.keepsFirstPolicy(domain) }
                #expect(network.web.requests(to: domain.policyHostName).count == 2, "once for an id")
            }
        }

        @Test func `pitfall 14, STS-3.3-n: without DNS and policy host, the cached policy applies`() async throws {
            try await Self.after("outage.example") { _ in
            } then: { network, domain in
                try await network.dns.stop()
                try await network.web.stop()
                try await throughout(.seconds(2.5)) { try await Self.keepsFirstPolicy(domain) }
                try await network.dns.start()
                try await network.web.start()
                #expect(try await Self.ask(domain) == Self.first)
            }
        }

        @Test func `pitfall 15, STS-5.1-c, D10: an unchanged id does not extend the old policy`()
            async throws
        {
            try await Self.after("same-id.example", policy: Policy.enforce(maxAge: "3")) {
                $0.policyHost?.body = Data(Policy.enforce(MXHost.second.name).utf8)
            } then: { _, domain in
                try await Self.becomes(Self.second, for: domain)
            }
        }

        @Test func `pitfall 16, STS-8.1-b: after an id that changed before the policy, the next fetch corrects it`()
            async throws
        {
            try await Self.after("early-id.example", policy: Policy.enforce(maxAge: "3")) {
                $0.txt = [["v=STSv1; id=2;"]]
            } then: { network, domain in
                _ = try await eventually("the old policy is fetched for the new id") {
                    try await Self.keepsFirstPolicy(domain)
                    return network.web.requests(to: domain.policyHostName).count > 1 ? true : nil
                }
                try await network.publish(
                    TestDomain(domain.name, policy: Policy.enforce(MXHost.second.name)).with {
                        $0.txt = [["v=STSv1; id=2;"]]
                        $0.timeToLive = 1
                    })
                try await Self.becomes(Self.second, for: domain)
            }
        }

        /// libunbound selects among unknown servers, and queries a silent one several times: up to 2.3 s.
        @Test func `pitfall 14: if one resolver is silent, the other one is used`() async throws {
            let network = try TestNetwork.running
            let domain = TestDomain("two-resolvers.example", policy: Policy.enforce())
            try await network.publish(domain)
            let both = BridgeEnvironment(servers: [SilentAddresses.resolver, KnotServer.address], timeout: "5s")
            try await network.withBridge(port: Self.port, surroundings: both) { _ in
                try await Self.keepsFirstPolicy(domain)
            }
        }

        @Test func `a resolver with an IPv6 address and a port is used`() async throws {
            let network = try TestNetwork.running
            let domain = TestDomain("resolver-ipv6.example", policy: Policy.enforce())
            try await network.publish(domain)
            let surroundings = BridgeEnvironment(servers: [KnotServer.addressIPv6 + "@53"])
            try await network.withBridge(port: Self.port, surroundings: surroundings) { _ in
                try await Self.keepsFirstPolicy(domain)
            }
        }
    }
}
