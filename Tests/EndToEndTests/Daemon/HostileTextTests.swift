import Foundation
import Testing

extension EndToEnd {
    /// No text in DNS or in a policy adds an attribute to a reply (STS-3.2-aa, pitfalls 50 and 81).
    @Suite struct HostileTextTests {
        static let hosts = [
            "good.mx.example policy_type=sts", "good.mx.example\tprotocols=SSLv2", "good.mx.example:hostname",
            "good.mx.example,ciphers=null", "{", "}", "{ match = evil.example }", "match=evil.example",
            "good.mx.example}", "good.mx.example\u{0}", "good.mx.example\u{B}may", "good.mx.example\u{85}may",
            "good.mx.example\rmay", "$(id)", "%2e.example", "good.mx.example\u{2028}may", ":", "a:b.example",
        ]

        @Test func `a mail host of a policy is never more than a name`() async throws {
            let network = try TestNetwork.running
            let domains = Self.hosts.enumerated().map { index, host in
                TestDomain("hostile\(index).example", policy: Policy.enforce("good.mx.example", host))
            }
            try await network.publish(domains)
            for (domain, host) in zip(domains, Self.hosts) {
                let reply = try await SocketmapClient.ask(domain.name)
                #expect(reply == "NOTFOUND ", "\(host.debugDescription)")
            }
        }

        @Test func `a mail host is never a keyword of Postfix`() async throws {
            let network = try TestNetwork.running
            for word in ["hostname", "nexthop", "dot-nexthop", "localhost", "1234"] {
                let (alone, beside) = (
                    TestDomain("\(word)-alone.example", policy: Policy.enforce(word)),
                    TestDomain("\(word)-beside.example", policy: Policy.enforce(word, "good.mx.example"))
                )
                try await network.publish(alone, beside)
                let reply = try await SocketmapClient.ask(alone.name)
                #expect(reply.hasPrefix("TEMP ") || reply == "NOTFOUND ", "\(word): \(reply)")
                #expect(try await SocketmapClient.ask(beside.name) == secure("good.mx.example"), "\(word)")
            }
        }

        @Test func `no other field reaches the reply`() async throws {
            let network = try TestNetwork.running
            let fields = [
                "x: } policy_type=sts", "x: match=evil.example", "match: evil.example", "servername: evil.example",
            ]
            let domains = fields.enumerated().map { index, field in
                TestDomain("field\(index).example", policy: Policy.enforce() + field + "\r\n").with {
                    $0.txt = [["v=STSv1; id=1; match=evil.example; x=policy_type=sts;"], ["x=1"]]
                }
            }
            try await network.publish(domains)
            let harmless = /NOTFOUND |OK secure match=\.?[a-z0-9.-]+(:\.?[a-z0-9.-]+)* servername=hostname/
            for (domain, field) in zip(domains, fields) {
                let reply = try await SocketmapClient.ask(domain.name)
                #expect(reply.wholeMatch(of: harmless) != nil, "\(field): \(reply)")
                #expect(!reply.contains("evil"), "\(field): \(reply)")
            }
        }

        @Test func `a policy too long for Postfix gives a temporary answer with a reason, never a part of the policy`()
            async throws
        {
            let network = try TestNetwork.running
            let names = (0..<1_000).map { "mx: host\($0).a-rather-long-name-of-a-mail-provider.mx.example\r\n" }
                .joined()
            try await network.publish(TestDomain("long.example", policy: Policy.enforce() + names))
            let reply = try await SocketmapClient.ask("long.example")
            #expect(reply.hasSuffix(".example servername=hostname"), "64 KiB fit into a socketmap reply")
            let delivery = try await network.sender.send(to: "u@long.example", by: .socketmap)
            try await network.expectVerified(delivery, at: .good)
            network.expectDeferred(
                try await network.sender.send(to: "u@long.example", by: .tcp),
                because: "client TLS configuration problem")
        }
    }
}
