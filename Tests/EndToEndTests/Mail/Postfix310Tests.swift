import Foundation
import Testing

extension EndToEnd {
    /// Postfix 3.10 of Debian 13 as sender, with the map name `sts`: it compares MX host names with the policy
    /// (`smtp_tls_enforce_sts_mx_patterns`) and sends an event to a collector of TLS reports for each TLS handshake.
    @Suite(.onSignedInternet, .onDebian13) struct Postfix310Tests {
        private static let succeeded = 0
        private static let failed = 1

        // MARK: An enforced policy

        @Test func `STS-5-a, STS-7.1-b, RPT-B-f: an enforced host gets its mail, and the report has the policy`()
            async throws
        {
            let debian = try Debian13.running
            try await debian.publish(
                TestDomain("good13.example", mx: [.needsSNI], policy: Policy.enforce(MXHost.needsSNI.name)))
            let delivery = try await debian.sender.send(to: "u@good13.example")
            try await debian.internet.network.expectVerified(delivery, at: .needsSNI)
            let policy = try await debian.reports.policy(of: "good13.example")
            #expect(policy.type == TLSRPTEvent.sts)
            #expect(policy.domain == "good13.example")
            #expect(
                policy.lines == ["version: STSv1", "mode: enforce", "mx: \(MXHost.needsSNI.name)", "max_age: 604800"])
            #expect(policy.mxPatterns == [MXHost.needsSNI.name])
            #expect(policy.isFailure == Self.succeeded)
        }

        @Test func `STS-4.2-b: a host whose certificate names another gets nothing, and the report says why`()
            async throws
        {
            let debian = try Debian13.running
            try await debian.publish(
                TestDomain("wrong13.example", mx: [.wrongName], policy: Policy.enforce(MXHost.wrongName.name)))
            debian.internet.network.expectDeferred(
                try await debian.sender.send(to: "u@wrong13.example"), because: "Server certificate not verified")
            let policy = try await debian.reports.policy(of: "wrong13.example")
            #expect(policy.type == TLSRPTEvent.sts)
            #expect(policy.isFailure == Self.failed)
            #expect(policy.failures?.map(\.code) == [TLSRPTEvent.certificateHostMismatch])
            #expect(policy.failures?.map(\.mx) == [MXHost.wrongName.name])
        }

        /// Postfix 3.7 delivers to the same host: pitfall 65 in `EnforcementTests`.
        @Test func `STS-4.1-a, STS-4.1-d: an unlisted host is not even connected to, whatever its certificate`()
            async throws
        {
            let debian = try Debian13.running
            try await debian.publish(TestDomain("impostor13.example", mx: [.impostor], policy: Policy.enforce()))
            let delivery = try await debian.sender.send(to: "u@impostor13.example")
            let warning = "MX name '\(MXHost.impostor.name)' does not match STS MX pattern for 'impostor13.example'"
            debian.internet.network.expectDeferred(delivery, because: warning)
            #expect(delivery.first.session(with: .impostor) == nil)
            #expect(delivery.first.relay == "none")
            #expect(try debian.reports.events(of: "impostor13.example").isEmpty)
        }

        @Test func `STS-5.1-e, STS-8.4-a: an unlisted host is skipped, and the listed one gets the mail`() async throws
        {
            let debian = try Debian13.running
            try await debian.publish(TestDomain("skip13.example", mx: [.unlisted, .good], policy: Policy.enforce()))
            let delivery = try await debian.sender.send(to: "u@skip13.example")
            try await debian.internet.network.expectVerified(delivery, at: .good)
            #expect(delivery.first.session(with: .unlisted) == nil)
        }

        @Test func `STS-4.1-c: a wildcard admits exactly one label`() async throws {
            let debian = try Debian13.running
            try await debian.publish(
                TestDomain("wildcard13.example", policy: Policy.enforce("*.mx.example")),
                TestDomain("deep13.example", policy: Policy.enforce("*.example")))
            let delivery = try await debian.sender.send(to: "u@wildcard13.example")
            try await debian.internet.network.expectVerified(delivery, at: .good)
            let policy = try await debian.reports.policy(of: "wildcard13.example")
            #expect(policy.mxPatterns == ["*.mx.example"])
            // good.mx.example is two labels below.
            debian.internet.network.expectDeferred(
                try await debian.sender.send(to: "u@deep13.example"), because: "does not match STS MX pattern")
        }

        @Test func `STS-3.3-n, RPT-B-g: without a fetchable policy the cached one applies, and the report has it`()
            async throws
        {
            let debian = try Debian13.running
            let domain = TestDomain("cached13.example", policy: Policy.enforce()).with { $0.timeToLive = 1 }
            try await debian.publish(domain)
            let first = try await debian.reply(to: domain.name)
            #expect(first.hasPrefix("OK secure match="), "\(first)")
            try await debian.publish(
                domain.with {
                    $0.txt = [["v=STSv1; id=2;"]]
                    $0.policyHost?.body = Data("mode: what\n".utf8)
                })
            // The TTL of one second has to end first.
            _ = try await eventually("the bridge tries to fetch the new policy") {
                let reply = try await debian.reply(to: domain.name)
                #expect(reply == first)
                return debian.internet.network.web.requests(to: domain.policyHostName).count > 1 ? true : nil
            }
            let delivery = try await debian.sender.send(to: "u@\(domain.name)")
            try await debian.internet.network.expectVerified(delivery, at: .good)
            let policy = try await debian.reports.policy(of: domain.name)
            #expect(policy.type == TLSRPTEvent.sts)
            #expect(policy.mxPatterns == [MXHost.good.name])
            #expect(policy.isFailure == Self.succeeded)
        }

        // MARK: No enforced policy

        @Test func `STS-5-b, RPT-B-h: in mode testing mail flows, and the report has no policy`() async throws {
            let debian = try Debian13.running
            try await debian.publish(
                TestDomain("testing13.example", mx: [.selfSigned], policy: Policy.testing(MXHost.selfSigned.name)))
            try await debian.internet.network.expectDelivered(
                try await debian.sender.send(to: "u@testing13.example"), at: .selfSigned, session: "Untrusted")
            let policy = try await debian.reports.policy(of: "testing13.example")
            #expect(policy.type == TLSRPTEvent.noPolicyFound)
            #expect(policy.domain == "testing13.example")
            #expect(policy.isFailure == Self.succeeded)
        }

        @Test func `STS-3.3-m, RPT-B-g: with the policy host down mail flows, without a policy_failure`() async throws {
            let debian = try Debian13.running
            try await debian.publish(
                TestDomain("down13.example", mx: [.selfSigned], policy: Policy.enforce()).with {
                    $0.policyHost?.addresses = [PolicyHost.refusing]
                })
            try await debian.internet.network.expectDelivered(
                try await debian.sender.send(to: "u@down13.example"), at: .selfSigned, session: "Untrusted")
            #expect(try await debian.reports.policy(of: "down13.example").type == TLSRPTEvent.noPolicyFound)
            #expect(try await debian.reply(to: "down13.example") == "NOTFOUND ")
        }

        @Test func `RPT-B-e: without a record mail flows, and the report says that there is no policy`() async throws {
            let debian = try Debian13.running
            try await debian.publish(
                .plain("plain13.example", mx: [.selfSigned]), TestDomain("none13.example", policy: Policy.none()))
            try await debian.internet.network.expectDelivered(
                try await debian.sender.send(to: "u@plain13.example"), at: .selfSigned, session: "Untrusted")
            #expect(try await debian.reports.policy(of: "plain13.example").type == TLSRPTEvent.noPolicyFound)
            try await debian.internet.network.expectDelivered(
                try await debian.sender.send(to: "u@none13.example"), at: .good, session: "Trusted")
            #expect(try await debian.reports.policy(of: "none13.example").type == TLSRPTEvent.noPolicyFound)
        }

        // MARK: DANE

        @Test func `DANE-2.2-a, RPT-1.1-a: DANE delivers to a self-signed host, and the report names the host`()
            async throws
        {
            let debian = try Debian13.running
            let host = MXHost.signedSelfSigned
            try await debian.publish(TestDomain("self13.signed", mx: [host], policy: Policy.enforce(host.name)))
            let delivery = try await debian.sender.send(to: "u@self13.signed")
            try await debian.internet.network.expectVerified(delivery, at: host)
            let policy = try await debian.reports.policy(of: "self13.signed")
            #expect(policy.type == TLSRPTEvent.tlsa)
            #expect(policy.domain == host.name)
            #expect(policy.lines?.map { $0.hasPrefix("3 1 1 ") } == [true])
            #expect(policy.isFailure == Self.succeeded)
        }

        @Test func `STS-2-a, STS-2-b: a wrong TLSA record defers the mail, although certificate and policy are good`()
            async throws
        {
            let debian = try Debian13.running
            let host = MXHost.wrongTLSA
            try await debian.publish(TestDomain("wrong13.signed", mx: [host], policy: Policy.enforce(host.name)))
            debian.internet.network.expectDeferred(
                try await debian.sender.send(to: "u@wrong13.signed"), because: "no matching DANE TLSA records")
            let policy = try await debian.reports.policy(of: "wrong13.signed")
            #expect(policy.type == TLSRPTEvent.tlsa)
            #expect(policy.isFailure == Self.failed)
        }

        @Test func `DANE-8.1-a, RPT-B-i: a DANE answer has neither servername nor attributes`() async throws {
            let debian = try Debian13.running
            try await debian.publish(
                TestDomain("only13.signed", mx: [.signed], policy: Policy.enforce(MXHost.signed.name)),
                .plain("dane13.signed", mx: [.signed]))
            #expect(try await debian.reply(to: "only13.signed") == "OK dane-only")
            #expect(try await debian.reply(to: "dane13.signed") == "OK dane")
            try await debian.internet.network.expectVerified(
                try await debian.sender.send(to: "u@dane13.signed"), at: .signed)
        }

        @Test func `STS-2-c, D9: if DANE covers one host of two, the policy applies to both`() async throws {
            let debian = try Debian13.running
            let hosts = [MXHost.signedSelfSigned, .withoutTLSA]
            try await debian.publish(
                TestDomain("partial13.signed", mx: hosts, policy: Policy.enforce(hosts[0].name, hosts[1].name)))
            let delivery = try await debian.sender.send(to: "u@partial13.signed")
            try await debian.internet.network.expectVerified(delivery, at: .withoutTLSA)
            #expect(delivery.first.session(with: .signedSelfSigned) == "Untrusted", "by PKIX, as the policy demands")
        }

        // MARK: The bridge

        @Test func `a map name without a dialect gets the dialect of the detected Postfix`() async throws {
            let debian = try Debian13.running
            try await debian.publish(TestDomain("auto13.example", policy: Policy.enforce()))
            let reply = try await debian.reply(to: "auto13.example", map: "policies")
            #expect(reply.contains(" policy_type=sts policy_domain=auto13.example "), "\(reply)")
            #expect(reply == (try await debian.reply(to: "auto13.example")))
            let classic = try await debian.reply(to: "auto13.example", map: "postfix")
            #expect(classic == secure(MXHost.good.name))
        }

        @Test func `IDN-a: policy_domain is the A-label in lower case, for any spelling of the key`() async throws {
            let debian = try Debian13.running
            try await debian.publish(TestDomain("xn--bcher-kva.idn13.example", policy: Policy.enforce()))
            for key in ["bücher.idn13.example", "XN--BCHER-KVA.Idn13.example"] {
                let reply = try await debian.reply(to: key)
                #expect(reply.contains(" policy_type=sts policy_domain=xn--bcher-kva.idn13.example "), "\(reply)")
            }
        }

        @Test func `doctor finds nothing wrong with Postfix 3.10`() async throws {
            let debian = try Debian13.running
            try await debian.publish(TestDomain("doctor13.example", policy: Policy.enforce()))
            let (status, output) = try await debian.command(
                "doctor", "--json", "--domain", "doctor13.example", "--postfix-config",
                debian.sender.instance.configuration, "--signed-name", "signed", "--unsigned-name", "example",
                "--bogus-name", "any.bogus")
            let diagnosis = try Diagnosis(output)
            let wrong = diagnosis.results.filter { $0.severity != "ok" && $0.severity != "skip" }
            #expect(wrong.isEmpty, "\(wrong)")
            #expect(status == 0, "\(output)")
            #expect(diagnosis.of("postfix").contains { $0.meaning.hasPrefix("Postfix 3.10 ") }, "\(output)")
            #expect(diagnosis.of("map-name").contains { $0.meaning.contains("sts fits Postfix 3.10") }, "\(output)")
            #expect(diagnosis.of("lookup").contains { $0.meaning.contains("OK secure match=") }, "\(output)")
        }
    }
}
