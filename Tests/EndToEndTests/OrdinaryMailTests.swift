import Testing

extension EndToEnd {
    /// Mail that no enforce policy speaks about flows as it would without us: whatever TLS there is, is used.
    @Suite struct OrdinaryMail {
        @Test func `STS-5-b: a testing policy holds nothing back`() async throws {
            let lab = try Lab.running
            try await lab.publish(
                LabDomain("testing.example", mx: [.selfSigned], policy: Policy.testing(MXHost.good.name)))
            try await lab.expectDelivered(
                try await lab.sender.send(to: "u@testing.example"), at: .selfSigned, session: "Untrusted")
        }

        @Test func `STS-5-c: a policy of mode none holds nothing back`() async throws {
            let lab = try Lab.running
            try await lab.publish(LabDomain("none.example", mx: [.plaintext], policy: Policy.none()))
            try await lab.expectDelivered(
                try await lab.sender.send(to: "u@none.example"), at: .plaintext, session: nil)
        }

        @Test func `a domain without a policy gets its mail without TLS where there is none`() async throws {
            let lab = try Lab.running
            try await lab.publish(.plain("no-policy.example", mx: [.plaintext]))
            try await lab.expectDelivered(
                try await lab.sender.send(to: "u@no-policy.example"), at: .plaintext, session: nil)
        }

        @Test func `a domain without a policy gets its mail over TLS that nobody vouches for`() async throws {
            let lab = try Lab.running
            try await lab.publish(.plain("no-policy-tls.example", mx: [.selfSigned]))
            try await lab.expectDelivered(
                try await lab.sender.send(to: "u@no-policy-tls.example"), at: .selfSigned, session: "Untrusted")
        }

        @Test func `STS-3.3-m: with the policy host down and nothing cached, mail is delivered`() async throws {
            let lab = try Lab.running
            try await lab.publish(
                LabDomain("host-down.example", mx: [.selfSigned], policy: Policy.enforce()).with {
                    $0.policyHost?.addresses = [PolicyHost.refusing]
                })
            try await lab.expectDelivered(
                try await lab.sender.send(to: "u@host-down.example"), at: .selfSigned, session: "Untrusted")
        }

        @Test func `STS-3.4-d, STS-3.4-e: a parent's policy does not cover a subdomain`() async throws {
            let lab = try Lab.running
            try await lab.publish(
                LabDomain("parent.example", policy: Policy.enforce()),
                .plain("child.parent.example", mx: [.selfSigned]))
            try await lab.expectVerified(try await lab.sender.send(to: "u@parent.example"), at: .good)
            try await lab.expectDelivered(
                try await lab.sender.send(to: "u@child.parent.example"), at: .selfSigned, session: "Untrusted")
            #expect(try await SocketmapClient.ask(".parent.example") == "NOTFOUND ")
        }
    }
}
