import Testing

extension EndToEnd {
    /// The command line, against the same DNS and policy hosts as the daemon.
    @Suite struct Commands {
        @Test func `query shows a policy, its certificate and the reply, and its exit code says found`() async throws {
            let lab = try Lab.running
            try await lab.publish(LabDomain("query.example", policy: Policy.enforce()))
            let text = try await lab.bridge.query("query.example")
            #expect(text.status == 0, "\(text.output)")
            #expect(text.output.contains(secure(MXHost.good.name)), "\(text.output)")
            #expect(text.output.contains(PolicyHost.usual), "the addresses: \(text.output)")
            let json = try await lab.bridge.query("query.example", "--json")
            #expect(json.output.contains("\"reply\" : \"\(secure(MXHost.good.name))\""), "\(json.output)")
        }

        @Test func `query says by its exit code that there is no policy, or that it could not find out`() async throws {
            let lab = try Lab.running
            try await lab.publish(
                .plain("query-none.example"),
                LabDomain("query-expired.example").with {
                    $0.policyHost?.certificate = .expired(["mta-sts.query-expired.example"])
                })
            #expect(try await lab.bridge.query("query-none.example").status == 1)
            let expired = try await lab.bridge.query("query-expired.example")
            #expect(expired.status == 3)
            #expect(expired.output.contains("expired"), "\(expired.output)")
            #expect(try await lab.bridge.query("servfail.broken.example").status == 3)
        }

        @Test func `with enforce-testing a testing policy is enforced`() async throws {
            let lab = try Lab.running
            try await lab.publish(LabDomain("strict.example", policy: Policy.testing()))
            #expect(try await SocketmapClient.ask("strict.example") == "NOTFOUND ")
            try await lab.withBridge(port: 8474, settings: "policy:\n  enforce-testing: true\n") { _ in
                let reply = try await SocketmapClient.ask("strict.example", port: 8474)
                #expect(reply == secure(MXHost.good.name))
            }
        }
    }
}
