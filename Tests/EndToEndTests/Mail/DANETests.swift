import Testing

extension EndToEnd {
    /// RFC 8461 §2: MTA-STS must not override DANE. Zones that knot signs, a Postfix with `smtp_dns_support_level = dnssec`
    /// behind a validating unbound, and a bridge that validates by itself.
    @Suite(.onSignedInternet) struct DANETests {
        // MARK: DANE and an enforced policy

        @Test func `DANE-2.2-a a wrong TLSA record defers the mail, although certificate and policy are good`()
            async throws
        {
            let internet = try SignedInternet.running
            try await internet.publish(
                TestDomain("wrong.signed", mx: [.wrongTLSA], policy: Policy.enforce(MXHost.wrongTLSA.name)))
            let delivery = try await internet.sender.send(to: "u@wrong.signed")
            internet.network.expectDeferred(delivery, because: "no matching DANE TLSA records")
            #expect(try await internet.reply(to: "wrong.signed") == "OK dane-only")
        }

        @Test func `DANE-2.2-a a good TLSA record delivers to a self-signed certificate, despite the policy`()
            async throws
        {
            let internet = try SignedInternet.running
            try await internet.publish(
                TestDomain("self.signed", mx: [.signedSelfSigned], policy: Policy.enforce(MXHost.signedSelfSigned.name))
            )
            let delivery = try await internet.sender.send(to: "u@self.signed")
            try await internet.network.expectVerified(delivery, at: .signedSelfSigned)
            #expect(try await internet.reply(to: "self.signed") == "OK dane-only")
        }

        @Test func `DANE-2.2.1-e if DANE covers one host of two, the policy applies to both`() async throws {
            let internet = try SignedInternet.running
            let hosts = [MXHost.signedSelfSigned, .withoutTLSA]
            try await internet.publish(
                TestDomain("partial.signed", mx: hosts, policy: Policy.enforce(hosts[0].name, hosts[1].name)))
            let delivery = try await internet.sender.send(to: "u@partial.signed")
            try await internet.network.expectVerified(delivery, at: .withoutTLSA)
            #expect(delivery.first.session(with: .signedSelfSigned) == "Untrusted", "by PKIX, as the policy demands")
            #expect(try await internet.reply(to: "partial.signed").hasPrefix("OK secure match="))
        }

        @Test func `DANE-2.2-c an unsigned domain has its policy and nothing else`() async throws {
            let internet = try SignedInternet.running
            try await internet.publish(TestDomain("unsigned.example", policy: Policy.enforce()))
            try await internet.network.expectVerified(
                try await internet.sender.send(to: "u@unsigned.example"), at: .good)
            #expect(try await internet.reply(to: "unsigned.example").hasPrefix("OK secure match="))
        }

        @Test func `DANE-2.1.2-c a failing TLSA lookup defers mail only with an enforced policy`() async throws {
            let internet = try SignedInternet.running
            try await internet.publish(
                TestDomain("failing.signed", mx: [.failingTLSA], policy: Policy.enforce(MXHost.failingTLSA.name)))
            let question = "_25._tcp.\(MXHost.failingTLSA.name) TLSA: SERVFAIL (servers \(SignedInternet.address))"
            internet.network.expectDeferred(
                try await internet.sender.send(to: "u@failing.signed"),
                because: "socketmap server temporary error: DANE of failing.signed unknown: \(question)")
            let hosts = [MXHost.failingTLSA, .withoutTLSA]
            try await internet.publish(
                TestDomain("half-failing.signed", mx: hosts, policy: Policy.enforce(hosts[0].name, hosts[1].name)))
            let delivery = try await internet.sender.send(to: "u@half-failing.signed")
            try await internet.network.expectVerified(delivery, at: .failingTLSA)
            #expect(try await internet.reply(to: "half-failing.signed").hasPrefix("OK secure match="))
        }

        // MARK: DANE without a policy

        @Test func `DANE-2.2-a DANE-2.2-b DANE-2.2-d without a policy Postfix verifies by DANE`() async throws {
            let internet = try SignedInternet.running
            try await internet.publish(
                .plain("dane.signed", mx: [.signedSelfSigned]), .plain("dane-wrong.signed", mx: [.wrongTLSA]),
                .plain("dane-failing.signed", mx: [.failingTLSA]),
                .plain("dane-partial.signed", mx: [.withoutTLSA, .signed]),
                .plain("dane-unusable.signed", mx: [.unusableTLSA]))
            try await internet.network.expectVerified(
                try await internet.sender.send(to: "u@dane.signed"), at: .signedSelfSigned)
            internet.network.expectDeferred(
                try await internet.sender.send(to: "u@dane-wrong.signed"), because: "no matching DANE TLSA records")
            // RFC 7672 §2.1.2: no mail through a host whose TLSA lookup fails; Postfix itself decides this.
            internet.network.expectDeferred(
                try await internet.sender.send(to: "u@dane-failing.signed"), because: "TLSA lookup error")
            try await internet.network.expectDelivered(
                try await internet.sender.send(to: "u@dane-partial.signed"), at: .withoutTLSA, session: "Trusted")
            // §2.2: encrypted and not authenticated.
            try await internet.network.expectDelivered(
                try await internet.sender.send(to: "u@dane-unusable.signed"), at: .unusableTLSA, session: "Untrusted")
            for domain in ["dane", "dane-wrong", "dane-failing", "dane-partial", "dane-unusable"] {
                #expect(try await internet.reply(to: "\(domain).signed") == "OK dane")
            }
        }

        @Test func `DANE-2.2-c a signed domain without TLSA, and a testing policy beside DANE, change nothing`()
            async throws
        {
            let internet = try SignedInternet.running
            try await internet.publish(
                .plain("nothing.signed", mx: [.withoutTLSA]),
                TestDomain("trying.signed", mx: [.signed], policy: Policy.testing(MXHost.withoutTLSA.name)))
            #expect(try await internet.reply(to: "nothing.signed") == "NOTFOUND ")
            #expect(try await internet.reply(to: "trying.signed") == "OK dane")
            try await internet.network.expectVerified(
                try await internet.sender.send(to: "u@trying.signed"), at: .signed)
        }

        // MARK: A strict level of the site

        @Test(arguments: ["verify", "secure"])
        func `DANE-2.2-a at a strict level of the site, DANE authenticates if every host has usable TLSA records`(
            level: String
        ) async throws {
            let internet = try SignedInternet.running
            let port: UInt16 = level == "verify" ? 8494 : 8495
            let names = ["self", "wrong", "partial", "nothing"].map { "\(level)-\($0).signed" }
            try await internet.publish(
                .plain(names[0], mx: [.signedSelfSigned]), .plain(names[1], mx: [.wrongTLSA]),
                .plain(names[2], mx: [.signedSelfSigned, .withoutTLSA]), .plain(names[3], mx: [.withoutTLSA]))
            let sender = try await PostfixSender(
                in: internet.network.directory + "/signed/sender-\(level)", authority: internet.network.authority,
                port: port,
                level: level, dnssec: UnboundServer.address)
            try await sender.instance.start()
            let surroundings = BridgeEnvironment(
                servers: [SignedInternet.address], trustAnchorFile: internet.trustAnchorFile)
            try await internet.network.withBridge(
                port: port, surroundings: surroundings, environment: ["MAIL_CONFIG": sender.instance.configuration]
            ) { _ in
                try await internet.network.expectVerified(
                    try await sender.send(to: "u@\(names[0])"), at: .signedSelfSigned)
                internet.network.expectDeferred(
                    try await sender.send(to: "u@\(names[1])"), because: "no matching DANE TLSA records")
                // If DANE does not protect every host, the level of the site applies.
                let answers = [
                    ("OK dane-only", names[0]), ("OK dane-only", names[1]), ("NOTFOUND ", names[2]),
                    ("NOTFOUND ", names[3]),
                ]
                for (answer, name) in answers {
                    #expect(try await SocketmapClient.ask(name, port: port) == answer)
                }
            }
            try await sender.instance.stop()
        }

        // MARK: Changes

        @Test func `a TLSA record published later precedes the cached policy`() async throws {
            let internet = try SignedInternet.running
            let unsigned = TestDomain(
                "later.signed", mx: [.withoutTLSA], policy: Policy.enforce(MXHost.withoutTLSA.name))
            try await internet.publish(unsigned.with { $0.timeToLive = 1 })
            #expect(try await internet.reply(to: "later.signed").hasPrefix("OK secure match="))
            try await internet.publish(
                unsigned.with {
                    $0.timeToLive = 1
                    $0.mx = [MXHost.wrongTLSA.name]
                })
            _ = try await eventually("DANE is looked up again") {
                try await internet.reply(to: "later.signed") == "OK dane-only" ? true : nil
            }
            internet.network.expectDeferred(
                try await internet.sender.send(to: "u@later.signed"), because: "no matching DANE TLSA records")
        }

        // MARK: More kinds of domains

        @Test func `a zone with wrong signatures defers no mail of a domain that was never known to be signed`()
            async throws
        {
            let internet = try SignedInternet.running
            try await internet.publish(.plain("any.bogus", mx: [.signed]))
            // The bridge does not validate TXT (RFC 8461 needs no DNSSEC), so TXT is answered; MX is bogus and DANE unknown.
            #expect(try await internet.reply(to: "any.bogus") == "NOTFOUND ")
            internet.network.expectDeferred(
                try await internet.sender.send(to: "u@any.bogus"), because: "Host not found, try again")
        }

        @Test func `a smart host and a domain without MX are looked up by their own name`() async throws {
            let internet = try SignedInternet.running
            #expect(try await internet.reply(to: "[\(MXHost.wrongTLSA.name)]") == "OK dane")
            #expect(try await internet.reply(to: MXHost.signed.name) == "OK dane")
            #expect(try await internet.reply(to: "[\(MXHost.withoutTLSA.name)]") == "NOTFOUND ")
            #expect(
                try await internet.reply(to: "[\(MXHost.signed.name)]:2525") == "NOTFOUND ", "TLSA depends on the port")
        }

        @Test func `a bad MX set is answered within the deadline, with its reason`() async throws {
            let internet = try SignedInternet.running
            let policy = Policy.enforce(MXHost.signed.name)
            try await internet.publish(
                TestDomain("thousand.signed", policy: policy).with {
                    $0.mx = (1...1_000).map { "mx\($0).many.signed" }
                },
                TestDomain("address.signed", policy: policy).with { $0.mx = ["192.0.2.1"] },
                TestDomain("loop.signed", policy: policy).with {
                    $0.mx = ["round.loop.signed"]
                    $0.records = [
                        "round.loop.signed. CNAME about.loop.signed.", "about.loop.signed. CNAME round.loop.signed.",
                    ]
                })
            // 980 hosts were not looked up: they may have TLSA.
            let thousand = try await internet.reply(to: "thousand.signed")
            let reason = "thousand.signed MX: 980 hosts beyond the limit were not looked up"
            #expect(thousand == "TEMP DANE of thousand.signed unknown: \(reason)")
            #expect(
                try await internet.reply(to: "address.signed").hasPrefix("OK secure match="), "no client connects to it"
            )
            let loop = try await internet.reply(to: "loop.signed")
            #expect(loop.hasPrefix("TEMP DANE of loop.signed unknown: round.loop.signed A: "), "\(loop)")
        }

        @Test func `with dns.dnssec on, the bridge also tests DNSSEC`() async throws {
            let internet = try SignedInternet.running
            let surroundings = BridgeEnvironment(
                servers: [SignedInternet.address], trustAnchorFile: internet.trustAnchorFile, dnssec: "on")
            try await internet.network.withBridge(
                port: 8498, settings: "http:\n  listen: [127.0.0.1:8499]\n", surroundings: surroundings,
                environment: ["MAIL_CONFIG": internet.sender.instance.configuration]
            ) { bridge in
                try await bridge.eventuallyLogs("protocol=http")
                let http = MonitoringClient(port: 8499)
                _ = try await eventually("DNSSEC was tested") {
                    try await http.metrics()[#"sts_bridge_dnssec_state{state="works"}"#] == 1 ? true : nil
                }
            }
        }

        @Test func `DANE-2.2-d a late TLSA answer does not switch TLS off for a signed domain`() async throws {
            let internet = try SignedInternet.running
            try await internet.publish(
                .plain("late.signed", mx: [.signed]), .plain("late.example"),
                TestDomain("late-enforced.signed", mx: [.signed], policy: Policy.enforce(MXHost.signed.name)))
            let address = "127.0.0.68"
            let resolver = try UnboundServer(
                in: internet.network.directory + "/late-resolver", asking: SignedInternet.address,
                trustAnchorFile: internet.trustAnchorFile, at: address, silent: ["_tcp.\(MXHost.signed.name)."])
            try await resolver.start()
            let surroundings = BridgeEnvironment(
                servers: [address], trustAnchorFile: internet.trustAnchorFile, timeout: "5s", deadline: "2s")
            try await internet.network.withBridge(
                port: 8496, settings: "policy:\n  no-policy-reply: none\n", surroundings: surroundings,
                environment: ["MAIL_CONFIG": internet.sender.instance.configuration]
            ) { _ in
                #expect(try await SocketmapClient.ask("late.signed", port: 8496) == "OK dane")
                let enforced = try await SocketmapClient.ask("late-enforced.signed", port: 8496)
                let question = "_25._tcp.\(MXHost.signed.name) TLSA"
                #expect(enforced == "TEMP DANE of late-enforced.signed unknown: \(question): not answered yet")
                // no-policy-reply applies if DANE is known not to apply.
                #expect(try await SocketmapClient.ask("late.example", port: 8496) == "OK none")
            }
            try await resolver.stop()
        }

        @Test func `a top-level domain with bogus signatures is named in the log, and DANE stays on for the others`()
            async throws
        {
            let internet = try SignedInternet.running
            let (address, directory) = ("127.0.0.69", internet.network.directory + "/broken-org")
            let dns = try await KnotServer(
                in: directory, at: [address],
                zones: [".", "signed."].map { KnotZone(name: $0, state: .signed) } + [KnotZone(name: "org.")])
            func delegation(_ zone: String) -> [String] { ["\(zone) NS ns.\(zone)", "ns.\(zone) A \(address)"] }
            try await dns.start(serving: [
                ".": ["signed.", "org."].flatMap(delegation) + (dns.delegationSigners["signed."] ?? [])
                    + ["org. DS 4711 13 2 " + String(repeating: "ab", count: 32)],
                "signed.": [
                    "dane.signed. MX 10 mx.signed.", "mx.signed. A 127.0.3.21",
                    "_25._tcp.mx.signed. TLSA 3 1 1 " + String(repeating: "0d", count: 32),
                ],
                "org.": [],
            ])
            let anchors = directory + "/root.ds"
            try (dns.delegationSigners[".", default: []].joined(separator: "\n") + "\n")
                .write(toFile: anchors, atomically: false, encoding: .utf8)
            try await internet.network.withBridge(
                port: 8496,
                surroundings: BridgeEnvironment(servers: [address], trustAnchorFile: anchors, minimumTTL: "1s"),
                environment: ["MAIL_CONFIG": internet.sender.instance.configuration]
            ) { bridge in
                #expect(try await SocketmapClient.ask("dane.signed", port: 8496) == "OK dane")
                let line = try await eventually("the probe is logged") {
                    bridge.log.lines().first { $0.contains("DNSSEC validation works except for some zones") }
                }
                #expect(line.contains("org NS") && !line.contains("com NS"), "\(line)")
                #expect(bridge.log.text().contains("DNSSEC test name failed validation"))
                #expect(!bridge.log.text().contains("strip DNSSEC"))
                #expect(try await SocketmapClient.ask("dane.signed", port: 8496) == "OK dane")
            }
            try await dns.stop()
        }

        @Test func `query shows each DNS answer with its security, and the reply`() async throws {
            let internet = try SignedInternet.running
            try await internet.publish(
                TestDomain(
                    "shown.signed", mx: [.wrongTLSA, .failingTLSA], policy: Policy.enforce(MXHost.wrongTLSA.name)))
            let (status, output) = try await internet.bridge.query("shown.signed")
            #expect(status == 0, "\(output)")
            #expect(output.contains("shown.signed MX: secure, 2 records"), "\(output)")
            #expect(output.contains("_25._tcp.wrong-tlsa.mx.signed TLSA: secure, 1 record"), "\(output)")
            #expect(output.contains("_25._tcp.failing-tlsa.mx.signed TLSA: SERVFAIL"), "\(output)")
            #expect(output.contains("dane-only"), "\(output)")
            #expect(!output.contains("\\x"), "own text is not escaped: \(output)")
            let bogus = try await internet.bridge.query("any.bogus")
            #expect(bogus.output.contains("any.bogus MX: bogus"), "\(bogus.output)")
        }
    }
}
