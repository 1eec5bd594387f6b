import Foundation
import Testing

extension EndToEnd {
    /// Pitfalls 13, 15–17 and 36, and what a policy in hand is worth when the world around it changes: STS-3.3-n, STS-5.1-b.
    ///
    /// Each bridge here looks at the TXT record again after a second, so that minutes become seconds.
    @Suite struct PolicyChanges {
        static let port: UInt16 = 8473
        static let quick = Surroundings(minimumTTL: "1s", maximumTTL: "1s")
        static let first = secure(MXHost.good.name)
        static let second = secure(MXHost.second.name)

        static func ask(_ domain: LabDomain) async throws -> String {
            try await SocketmapClient.ask(domain.name, port: port)
        }

        static func isKept(_ domain: LabDomain) async throws {
            let reply = try await ask(domain)
            #expect(reply == first)
        }

        static func becomes(_ reply: String, _ domain: LabDomain) async throws {
            _ = try await eventually("\(domain.name) becomes \(reply)") { try await ask(domain) == reply ? true : nil }
        }

        /// Publishes the domain, has its policy cached, changes it, and runs the rest.
        static func after(
            _ name: String, policy: String = Policy.enforce(), _ change: (inout LabDomain) -> Void,
            _ rest: (Lab, LabDomain) async throws -> Void
        ) async throws {
            let lab = try Lab.running
            let domain = LabDomain(name, policy: policy).with { $0.timeToLive = 1 }
            try await lab.publish(domain)
            try await lab.withBridge(port: port, surroundings: quick) { _ in
                #expect(try await ask(domain) == first)
                try await lab.publish(domain.with(change))
                try await rest(lab, domain)
            }
        }

        @Test func `pitfall 17, STS-5.1-b: with a new id the new policy is used`() async throws {
            try await Self.after("new-id.example") {
                $0.txt = [["v=STSv1; id=2;"]]
                $0.policyHost?.body = Data(Policy.enforce(MXHost.second.name).utf8)
                $0.policyHost?.location = "default_type text/plain; add_header Cache-Control max-age=3600;"
            } _: { lab, domain in
                try await Self.becomes(Self.second, domain)
                let requests = lab.web.requests(to: domain.policyHostName)
                #expect(requests.count == 2)
                #expect(requests.allSatisfy { $0.contains(" 200 ") && $0.contains("\"-\" \"-\"") }, "pitfall 36")
            }
        }

        @Test func `STS-5-d, STS-5-f: mail that the old policy holds goes out at a try after the new id`() async throws
        {
            let lab = try Lab.running
            let held = LabDomain("mended.example", mx: [.good], policy: Policy.enforce(MXHost.second.name))
                .with { $0.timeToLive = 1 }
            try await lab.publish(held)
            let delivery = try await lab.sender.send(to: "someone@\(held.name)")
            #expect(delivery.first.status == "deferred")
            try await lab.publish(
                held.with {
                    $0.txt = [["v=STSv1; id=2;"]]
                    $0.policyHost?.body = Data(Policy.enforce().utf8)
                })
            // The record's second has to run out first.
            let verdict = try await eventually("the mail goes out") {
                let verdict = try await lab.sender.retry(delivery)
                return verdict.status == "sent" ? verdict : nil
            }
            lab.expectSent(verdict, at: .good, session: "Verified")
        }

        @Test func `STS-5-c: mode none with a new id ends enforcement at once`() async throws {
            try await Self.after("opt-out.example") {
                $0.txt = [["v=STSv1; id=2;"]]
                $0.policyHost?.body = Data(Policy.none().utf8)
            } _: { _, domain in
                try await Self.becomes("NOTFOUND ", domain)
            }
        }

        @Test func `pitfall 13, STS-8.3-b: a deleted TXT record ends nothing`() async throws {
            try await Self.after("deleted.example") {
                $0.txt = []
            } _: { _, domain in
                try await throughout(.seconds(2.5)) { try await Self.isKept(domain) }
            }
        }

        @Test func `STS-3.3-n, STS-3.3-o: a new id without a fetchable policy ends nothing`() async throws {
            try await Self.after("unfetchable.example") {
                $0.txt = [["v=STSv1; id=2;"]]
                $0.policyHost?.body = Data("mode: what\n".utf8)
            } _: { lab, domain in
                _ = try await eventually("it tries to fetch") {
                    try await Self.isKept(domain)
                    return lab.web.requests(to: domain.policyHostName).count > 1 ? true : nil
                }
                try await throughout(.seconds(2)) { try await Self.isKept(domain) }
                #expect(lab.web.requests(to: domain.policyHostName).count == 2, "once for an id")
            }
        }

        @Test func `pitfall 14, STS-3.3-n: with DNS and the policy host away, what is cached is applied`() async throws
        {
            try await Self.after("outage.example") { _ in
            } _: { lab, domain in
                try await lab.dns.stop()
                try await lab.web.stop()
                try await throughout(.seconds(2.5)) { try await Self.isKept(domain) }
                try await lab.dns.start()
                try await lab.web.start()
                #expect(try await Self.ask(domain) == Self.first)
            }
        }

        @Test func `pitfall 15, STS-5.1-c, D10: an id that was not changed does not keep the old policy alive`()
            async throws
        {
            try await Self.after("same-id.example", policy: Policy.enforce(maxAge: "3")) {
                $0.policyHost?.body = Data(Policy.enforce(MXHost.second.name).utf8)
            } _: { _, domain in
                try await Self.becomes(Self.second, domain)
            }
        }

        @Test func `pitfall 16, STS-8.1-b: an id changed before the policy is repaired by the next fetch`() async throws
        {
            try await Self.after("early-id.example", policy: Policy.enforce(maxAge: "3")) {
                $0.txt = [["v=STSv1; id=2;"]]
            } _: { lab, domain in
                _ = try await eventually("the old policy is fetched for the new id") {
                    try await Self.isKept(domain)
                    return lab.web.requests(to: domain.policyHostName).count > 1 ? true : nil
                }
                try await lab.publish(
                    LabDomain(domain.name, policy: Policy.enforce(MXHost.second.name)).with {
                        $0.txt = [["v=STSv1; id=2;"]]
                        $0.timeToLive = 1
                    })
                try await Self.becomes(Self.second, domain)
            }
        }

        /// libunbound chooses among servers it knows nothing of, and asks a silent one several times: up to 2.3 s.
        @Test func `pitfall 14: when one resolver is silent, the other one is asked`() async throws {
            let lab = try Lab.running
            let domain = LabDomain("two-resolvers.example", policy: Policy.enforce())
            try await lab.publish(domain)
            let both = Surroundings(servers: [Silence.resolver, KnotServer.address], timeout: "5s")
            try await lab.withBridge(port: Self.port, surroundings: both) { _ in
                try await Self.isKept(domain)
            }
        }

        @Test func `a resolver at an IPv6 address and a port is asked`() async throws {
            let lab = try Lab.running
            let domain = LabDomain("resolver-ipv6.example", policy: Policy.enforce())
            try await lab.publish(domain)
            let surroundings = Surroundings(servers: [KnotServer.addressIPv6 + "@53"])
            try await lab.withBridge(port: Self.port, surroundings: surroundings) { _ in
                try await Self.isKept(domain)
            }
        }
    }
}
