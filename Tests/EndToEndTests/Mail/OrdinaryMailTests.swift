import Testing

extension EndToEnd {
    /// Mail without an enforced policy flows as without the bridge, with opportunistic TLS.
    @Suite struct OrdinaryMailTests {
        @Test func `STS-5-b: a testing policy defers no mail`() async throws {
            let network = try TestNetwork.running
            try await network.publish(
                TestDomain("testing.example", mx: [.selfSigned], policy: Policy.testing(MXHost.good.name)))
            try await network.expectDelivered(
                try await network.sender.send(to: "u@testing.example"), at: .selfSigned, session: "Untrusted")
        }

        @Test func `STS-5-c: a policy of mode none defers no mail`() async throws {
            let network = try TestNetwork.running
            try await network.publish(TestDomain("none.example", mx: [.plaintext], policy: Policy.none()))
            try await network.expectDelivered(
                try await network.sender.send(to: "u@none.example"), at: .plaintext, session: nil)
        }

        @Test func `a domain without a policy gets its mail without TLS if the host has none`() async throws {
            let network = try TestNetwork.running
            try await network.publish(.plain("no-policy.example", mx: [.plaintext]))
            try await network.expectDelivered(
                try await network.sender.send(to: "u@no-policy.example"), at: .plaintext, session: nil)
        }

        @Test func `a domain without a policy gets its mail over unauthenticated TLS`() async throws {
            let network = try TestNetwork.running
            try await network.publish(.plain("no-policy-tls.example", mx: [.selfSigned]))
            try await network.expectDelivered(
                try await network.sender.send(to: "u@no-policy-tls.example"), at: .selfSigned, session: "Untrusted")
        }

        @Test func `STS-3.3-m: with the policy host down and nothing cached, mail is delivered`() async throws {
            let network = try TestNetwork.running
            try await network.publish(
                TestDomain("host-down.example", mx: [.selfSigned], policy: Policy.enforce()).with {
                    $0.policyHost?.addresses = [PolicyHost.refusing]
                })
            try await network.expectDelivered(
                try await network.sender.send(to: "u@host-down.example"), at: .selfSigned, session: "Untrusted")
        }

        @Test func `STS-3.4-d, STS-3.4-e: a parent's policy does not cover a subdomain`() async throws {
            let network = try TestNetwork.running
            try await network.publish(
                TestDomain("parent.example", policy: Policy.enforce()),
                .plain("child.parent.example", mx: [.selfSigned]))
            try await network.expectVerified(try await network.sender.send(to: "u@parent.example"), at: .good)
            try await network.expectDelivered(
                try await network.sender.send(to: "u@child.parent.example"), at: .selfSigned, session: "Untrusted")
            #expect(try await SocketmapClient.ask(".parent.example") == "NOTFOUND ")
        }
    }
}
