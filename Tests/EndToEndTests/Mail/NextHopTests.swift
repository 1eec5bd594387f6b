import Testing

extension EndToEnd {
    /// The key is Postfix's next-hop in any spelling (RFC 8461 §3.4).
    @Suite struct NextHopTests {
        @Test func `STS-3.4-g: a domain in U-labels has the policy of its A-labels`() async throws {
            let network = try TestNetwork.running
            try await network.publish(
                TestDomain("xn--bcher-kva.example", policy: Policy.enforce()),
                TestDomain("xn--mller-kva.example", mx: [.selfSigned], policy: Policy.enforce(MXHost.selfSigned.name)))
            try await network.expectVerified(try await network.sender.send(to: "u@bücher.example"), at: .good)
            try await network.expectVerified(try await network.sender.send(to: "u@BÜCHER.example"), at: .good)
            network.expectDeferred(
                try await network.sender.send(to: "u@müller.example"), because: ": self-signed certificate")
        }

        @Test func `an upper-case recipient has the policy of its domain`() async throws {
            let network = try TestNetwork.running
            try await network.publish(
                TestDomain("upper.example", policy: Policy.enforce()),
                TestDomain("upper-bad.example", mx: [.wrongName], policy: Policy.enforce(MXHost.wrongName.name)))
            try await network.expectVerified(try await network.sender.send(to: "u@UPPER.Example"), at: .good)
            network.expectDeferred(
                try await network.sender.send(to: "u@Upper-Bad.EXAMPLE"), because: "Server certificate not verified")
        }

        @Test func `STS-1.1-a, STS-3.4-a, STS-3.4-b: a smart host has its own policy, not the recipient's`()
            async throws
        {
            let network = try TestNetwork.running
            try await network.publish(
                TestDomain("relay.example", policy: Policy.enforce("relay.example")).with { $0.mx = [] },
                TestDomain("bad-relay.example", policy: Policy.enforce("bad-relay.example")).with { $0.mx = [] },
                TestDomain("behind-relay.example", policy: Policy.enforce()))
            try await network.expectVerified(
                try await network.sender.send(to: "u@behind-relay.example", by: .relay), at: .relay)
            network.expectDeferred(
                try await network.sender.send(to: "u@behind-relay.example", by: .badRelay),
                because: ": self-signed certificate")
        }

        @Test func `STS-3.4-a: a smart host without a policy is used as it is`() async throws {
            let network = try TestNetwork.running
            try await network.publish(TestDomain("behind-bare-relay.example", policy: Policy.enforce()))
            try await network.expectDelivered(
                try await network.sender.send(to: "u@behind-bare-relay.example", by: .bareRelay),
                at: .bareRelay, session: "Untrusted")
        }

        @Test func `STS-3.4-c: an address literal has no policy`() async throws {
            let network = try TestNetwork.running
            let delivery = try await network.sender.send(to: "u@[\(MXHost.selfSigned.address)]")
            #expect(delivery.first.status == "sent")
            #expect(delivery.first.lines.contains { $0.contains("Untrusted TLS connection established") })
            for key in [
                "[127.0.3.5]", "127.0.3.5", "[127.0.3.5]:25", "[IPv6:fd00:2::1]", "[fd00:2::1]:25", "fd00:2::1",
            ] {
                #expect(try await SocketmapClient.ask(key) == "NOTFOUND ", "\(key)")
            }
        }

        @Test func `all spellings of a next-hop get the answer of its domain`() async throws {
            let network = try TestNetwork.running
            try await network.publish(
                TestDomain("spelling.example", policy: Policy.enforce()),
                TestDomain("xn--strae-oqa.example", policy: Policy.enforce(MXHost.second.name)))
            let keys = ["spelling.example", "SPELLING.Example", "spelling.example.", "spelling.example:25"]
            for key in keys + ["[spelling.example]", "[Spelling.Example]:587", "[spelling.example]:submission"] {
                #expect(try await SocketmapClient.ask(key) == secure(MXHost.good.name), "\(key)")
            }
            for key in ["straße.example", "xn--strae-oqa.example", "XN--STRAE-OQA.example"] {
                #expect(try await SocketmapClient.ask(key) == secure(MXHost.second.name), "\(key)")
            }
            for key in [
                ".spelling.example", "", ".", "example", "spelling..example", "a b.example", "spelling.example:0",
            ] {
                #expect(try await SocketmapClient.ask(key) == "NOTFOUND ", "\(key)")
            }
        }

        @Test func `postmap gets the answers, as the administrator uses it`() async throws {
            let network = try TestNetwork.running
            try await network.publish(
                TestDomain("postmap.example", policy: Policy.enforce(MXHost.good.name, "*.net.example")))
            let expected = "secure match=good.mx.example:.net.example servername=hostname"
            let port = BridgeProcess.port
            for map in ["postfix", "QUERY", "classic", "anything"] {
                let answer = try await network.sender.query(
                    "postmap.example", table: "socketmap:inet:127.0.0.1:\(port):\(map)")
                #expect(answer == expected, "\(map)")
            }
            let legacy = try await network.sender.query(
                "postmap.example", table: "socketmap:inet:127.0.0.1:\(port):legacy")
            #expect(legacy == "secure match=good.mx.example:.net.example")
            // Debian's postmap does not know the newer attributes, so the grammar checks them here.
            for map in ["sts", "QUERYwithTLSRPT"] {
                #expect(
                    try await SocketmapClient.ask("postmap.example", map: map)
                        == "OK \(expected) policy_type=sts policy_domain=postmap.example "
                        + "{ policy_string = version: STSv1 } { policy_string = mode: enforce } "
                        + "{ policy_string = mx: good.mx.example } { policy_string = mx: *.net.example } "
                        + "{ policy_string = max_age: 604800 } "
                        + "mx_host_pattern=good.mx.example mx_host_pattern=*.net.example", "\(map)")
            }
            let tcp = "tcp:127.0.0.1:\(BridgeProcess.tcpTablePort)"
            #expect(try await network.sender.query("postmap.example", table: tcp) == expected)
            #expect(try await network.sender.query("nothing-here.example", table: tcp) == nil)
        }
    }
}

/// The reply of dialect `classic` for an enforce policy with these names, as Postfix writes them in `match=`.
func secure(_ names: String...) -> String {
    "OK secure match=\(names.joined(separator: ":")) servername=hostname"
}
