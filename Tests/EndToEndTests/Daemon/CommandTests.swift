import Testing

extension EndToEnd {
    /// Commands, with the DNS and the policy hosts of the daemon.
    @Suite struct CommandTests {
        @Test func `query shows a policy, its certificate and the reply, and exits with 0`() async throws {
            let network = try TestNetwork.running
            try await network.publish(TestDomain("query.example", policy: Policy.enforce()))
            let text = try await network.bridge.query("query.example")
            #expect(text.status == 0, "\(text.output)")
            #expect(text.output.contains(secure(MXHost.good.name)), "\(text.output)")
            #expect(text.output.contains(PolicyHost.usual), "the addresses: \(text.output)")
            let json = try await network.bridge.query("query.example", "--json")
            #expect(json.output.contains("\"reply\" : \"\(secure(MXHost.good.name))\""), "\(json.output)")
        }

        @Test func `query exits with 1 without a policy and with 3 if it could not find out`() async throws {
            let network = try TestNetwork.running
            try await network.publish(
                .plain("query-none.example"),
                TestDomain("query-expired.example").with {
                    $0.policyHost?.certificate = .expired(["mta-sts.query-expired.example"])
                })
            #expect(try await network.bridge.query("query-none.example").status == 1)
            let expired = try await network.bridge.query("query-expired.example")
            #expect(expired.status == 3)
            #expect(expired.output.contains("expired"), "\(expired.output)")
            #expect(try await network.bridge.query("servfail.broken.example").status == 3)
        }

        @Test func `explain and query have one exit code for each kind of key`() async throws {
            let network = try TestNetwork.running
            try await network.publish(
                TestDomain("agree.example", policy: Policy.enforce()), .plain("agree-none.example"),
                TestDomain("agree-testing.example", policy: Policy.testing()),
                TestDomain("agree-two-records.example", policy: Policy.enforce()).with {
                    $0.txt.append(["v=STSv1; id=2;"])
                },
                TestDomain("agree-refusing.example").with { $0.policyHost?.addresses = [PolicyHost.refusing] })
            for (key, status) in [
                ("agree.example", 0), ("AGREE.example.", 0), ("agree.example:25", 0), ("[agree.example]:587", 0),
                ("agree.example:smtp", 0), ("[agree.example]:no-such-service", 0), ("agree-testing.example", 0),
                ("agree-two-records.example", 1), ("agree.example:0", 1), ("agree.example:65536", 1),
                ("[agree.example", 1),
                ("agree-none.example", 1), ("[agree-none.example]", 1), ("agree-refusing.example", 3),
                ("servfail.broken.example", 3), ("192.0.2.1", 1), ("[192.0.2.1]:25", 1), ("[IPv6:2001:db8::1]", 1),
                ("localhost", 1), (".agree.example", 1), ("someone@agree.example", 1),
            ] as [(String, Int32)] {
                _ = try await SocketmapClient.ask(key)
                let explained = try await network.bridge.command("explain", key)
                #expect(explained.status == status, "\(key): \(explained.output)")
                let queried = try await network.bridge.query(key)
                #expect(queried.status == status, "\(key): \(queried.output)")
            }
        }

        @Test func `with enforce-testing a testing policy is enforced`() async throws {
            let network = try TestNetwork.running
            try await network.publish(TestDomain("strict.example", policy: Policy.testing()))
            #expect(try await SocketmapClient.ask("strict.example") == "NOTFOUND ")
            try await network.withBridge(port: 8474, settings: "policy:\n  enforce-testing: true\n") { _ in
                let reply = try await SocketmapClient.ask("strict.example", port: 8474)
                #expect(reply == secure(MXHost.good.name))
            }
        }
    }
}
