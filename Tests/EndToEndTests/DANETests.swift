import Testing

extension EndToEnd {
    /// RFC 8461 §2: MTA-STS must not override DANE. Zones that knot signs, a Postfix with `smtp_dns_support_level = dnssec`
    /// behind a validating unbound, and a bridge that validates by itself.
    @Suite(.onSignedInternet) struct DANE {
        // MARK: DANE and an enforced policy

        @Test func `DANE-2.2-a a wrong TLSA record holds the mail, though certificate and policy are good`()
            async throws
        {
            let world = try SignedInternet.running
            try await world.publish(
                LabDomain("wrong.signed", mx: [.wrongTLSA], policy: Policy.enforce(MXHost.wrongTLSA.name)))
            let delivery = try await world.sender.send(to: "u@wrong.signed")
            world.lab.expectDeferred(delivery, because: "no matching DANE TLSA records")
            #expect(try await world.reply(to: "wrong.signed") == "OK dane-only")
        }

        @Test func `DANE-2.2-a a good TLSA record delivers to a self-signed certificate, in spite of the policy`()
            async throws
        {
            let world = try SignedInternet.running
            try await world.publish(
                LabDomain("self.signed", mx: [.signedSelfSigned], policy: Policy.enforce(MXHost.signedSelfSigned.name)))
            let delivery = try await world.sender.send(to: "u@self.signed")
            try await world.lab.expectVerified(delivery, at: .signedSelfSigned)
            #expect(try await world.reply(to: "self.signed") == "OK dane-only")
        }

        @Test func `DANE-2.2.1-e where DANE covers one host of two, the policy holds for both`() async throws {
            let world = try SignedInternet.running
            let hosts = [MXHost.signedSelfSigned, .withoutTLSA]
            try await world.publish(
                LabDomain("partial.signed", mx: hosts, policy: Policy.enforce(hosts[0].name, hosts[1].name)))
            let delivery = try await world.sender.send(to: "u@partial.signed")
            try await world.lab.expectVerified(delivery, at: .withoutTLSA)
            #expect(delivery.first.session(with: .signedSelfSigned) == "Untrusted", "by PKIX, as the policy demands")
            #expect(try await world.reply(to: "partial.signed").hasPrefix("OK secure match="))
        }

        @Test func `DANE-2.2-c an unsigned domain has its policy and nothing else`() async throws {
            let world = try SignedInternet.running
            try await world.publish(LabDomain("unsigned.example", policy: Policy.enforce()))
            try await world.lab.expectVerified(try await world.sender.send(to: "u@unsigned.example"), at: .good)
            #expect(try await world.reply(to: "unsigned.example").hasPrefix("OK secure match="))
        }

        @Test func `DANE-2.1.2-c TLSA that cannot be had holds mail only where a policy is enforced`() async throws {
            let world = try SignedInternet.running
            try await world.publish(
                LabDomain("failing.signed", mx: [.failingTLSA], policy: Policy.enforce(MXHost.failingTLSA.name)))
            let question = "_25._tcp.\(MXHost.failingTLSA.name) TLSA: SERVFAIL (servers \(SignedInternet.address))"
            world.lab.expectDeferred(
                try await world.sender.send(to: "u@failing.signed"),
                because: "socketmap server temporary error: DANE of failing.signed unknown: \(question)")
            let hosts = [MXHost.failingTLSA, .withoutTLSA]
            try await world.publish(
                LabDomain("half-failing.signed", mx: hosts, policy: Policy.enforce(hosts[0].name, hosts[1].name)))
            let delivery = try await world.sender.send(to: "u@half-failing.signed")
            try await world.lab.expectVerified(delivery, at: .failingTLSA)
            #expect(try await world.reply(to: "half-failing.signed").hasPrefix("OK secure match="))
        }

        // MARK: DANE without a policy

        @Test func `DANE-2.2-a DANE-2.2-b DANE-2.2-d without a policy Postfix judges by DANE`() async throws {
            let world = try SignedInternet.running
            try await world.publish(
                .plain("dane.signed", mx: [.signedSelfSigned]), .plain("dane-wrong.signed", mx: [.wrongTLSA]),
                .plain("dane-failing.signed", mx: [.failingTLSA]),
                .plain("dane-partial.signed", mx: [.withoutTLSA, .signed]),
                .plain("dane-unusable.signed", mx: [.unusableTLSA]))
            try await world.lab.expectVerified(
                try await world.sender.send(to: "u@dane.signed"), at: .signedSelfSigned)
            world.lab.expectDeferred(
                try await world.sender.send(to: "u@dane-wrong.signed"), because: "no matching DANE TLSA records")
            // RFC 7672 §2.1.2: no mail through a host whose TLSA cannot be had; that is Postfix's own judgement here.
            world.lab.expectDeferred(
                try await world.sender.send(to: "u@dane-failing.signed"), because: "TLSA lookup error")
            try await world.lab.expectDelivered(
                try await world.sender.send(to: "u@dane-partial.signed"), at: .withoutTLSA, session: "Trusted")
            // §2.2: encrypted and not authenticated.
            try await world.lab.expectDelivered(
                try await world.sender.send(to: "u@dane-unusable.signed"), at: .unusableTLSA, session: "Untrusted")
            for domain in ["dane", "dane-wrong", "dane-failing", "dane-partial", "dane-unusable"] {
                #expect(try await world.reply(to: "\(domain).signed") == "OK dane")
            }
        }

        @Test func `DANE-2.2-c a signed domain without TLSA, and a testing policy beside DANE, change nothing`()
            async throws
        {
            let world = try SignedInternet.running
            try await world.publish(
                .plain("nothing.signed", mx: [.withoutTLSA]),
                LabDomain("trying.signed", mx: [.signed], policy: Policy.testing(MXHost.withoutTLSA.name)))
            #expect(try await world.reply(to: "nothing.signed") == "NOTFOUND ")
            #expect(try await world.reply(to: "trying.signed") == "OK dane")
            try await world.lab.expectVerified(try await world.sender.send(to: "u@trying.signed"), at: .signed)
        }

        // MARK: A strict level of the site

        @Test(arguments: ["verify", "secure"])
        func `DANE-2.2-a at a strict level of the site DANE authenticates where every host has usable TLSA records`(
            level: String
        ) async throws {
            let world = try SignedInternet.running
            let port: UInt16 = level == "verify" ? 8494 : 8495
            let names = ["self", "wrong", "partial", "nothing"].map { "\(level)-\($0).signed" }
            try await world.publish(
                .plain(names[0], mx: [.signedSelfSigned]), .plain(names[1], mx: [.wrongTLSA]),
                .plain(names[2], mx: [.signedSelfSigned, .withoutTLSA]), .plain(names[3], mx: [.withoutTLSA]))
            let sender = try await PostfixSender(
                in: world.lab.directory + "/signed/sender-\(level)", authority: world.lab.authority, port: port,
                level: level, dnssec: UnboundServer.address)
            try await sender.instance.start()
            let surroundings = Surroundings(
                servers: [SignedInternet.address], trustAnchorFile: world.trustAnchorFile)
            try await world.lab.withBridge(
                port: port, surroundings: surroundings, environment: ["MAIL_CONFIG": sender.instance.configuration]
            ) { _ in
                try await world.lab.expectVerified(
                    try await sender.send(to: "u@\(names[0])"), at: .signedSelfSigned)
                world.lab.expectDeferred(
                    try await sender.send(to: "u@\(names[1])"), because: "no matching DANE TLSA records")
                // Where DANE does not protect the whole way the site's own level stays in force.
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

        // MARK: What changes

        @Test func `a TLSA record published later goes before the policy that is held`() async throws {
            let world = try SignedInternet.running
            let unsigned = LabDomain(
                "later.signed", mx: [.withoutTLSA], policy: Policy.enforce(MXHost.withoutTLSA.name))
            try await world.publish(unsigned.with { $0.timeToLive = 1 })
            #expect(try await world.reply(to: "later.signed").hasPrefix("OK secure match="))
            try await world.publish(
                unsigned.with {
                    $0.timeToLive = 1
                    $0.mx = [MXHost.wrongTLSA.name]
                })
            _ = try await eventually("the finding is made anew") {
                try await world.reply(to: "later.signed") == "OK dane-only" ? true : nil
            }
            world.lab.expectDeferred(
                try await world.sender.send(to: "u@later.signed"), because: "no matching DANE TLSA records")
        }

        // MARK: More kinds of domains

        @Test func `a domain of a zone with wrong signatures holds nothing that was never known to be signed`()
            async throws
        {
            let world = try SignedInternet.running
            try await world.publish(.plain("any.bogus", mx: [.signed]))
            // TXT is not validated by us (RFC 8461 needs no DNSSEC), so it is answered; MX is bogus and DANE unknown.
            #expect(try await world.reply(to: "any.bogus") == "NOTFOUND ")
            world.lab.expectDeferred(
                try await world.sender.send(to: "u@any.bogus"), because: "Host not found, try again")
        }

        @Test func `a smart host and a domain without MX are judged by their own name`() async throws {
            let world = try SignedInternet.running
            #expect(try await world.reply(to: "[\(MXHost.wrongTLSA.name)]") == "OK dane")
            #expect(try await world.reply(to: MXHost.signed.name) == "OK dane")
            #expect(try await world.reply(to: "[\(MXHost.withoutTLSA.name)]") == "NOTFOUND ")
            #expect(try await world.reply(to: "[\(MXHost.signed.name)]:2525") == "NOTFOUND ", "TLSA goes by port")
        }

        @Test func `an MX set that is no good is answered within the deadline, and with its reason`() async throws {
            let world = try SignedInternet.running
            let policy = Policy.enforce(MXHost.signed.name)
            try await world.publish(
                LabDomain("thousand.signed", policy: policy).with { $0.mx = (1...1_000).map { "mx\($0).many.signed" } },
                LabDomain("address.signed", policy: policy).with { $0.mx = ["192.0.2.1"] },
                LabDomain("loop.signed", policy: policy).with {
                    $0.mx = ["round.loop.signed"]
                    $0.records = [
                        "round.loop.signed. CNAME about.loop.signed.", "about.loop.signed. CNAME round.loop.signed.",
                    ]
                })
            // 980 hosts that were not looked at: they may have TLSA.
            let thousand = try await world.reply(to: "thousand.signed")
            let reason = "thousand.signed MX: 980 hosts too many, which were not looked at"
            #expect(thousand == "TEMP DANE of thousand.signed unknown: \(reason)")
            #expect(try await world.reply(to: "address.signed").hasPrefix("OK secure match="), "nobody connects to it")
            let loop = try await world.reply(to: "loop.signed")
            #expect(loop.hasPrefix("TEMP DANE of loop.signed unknown: round.loop.signed A: "), "\(loop)")
        }

        @Test func `with dns.dnssec on, too, the bridge looks whether signatures come through`() async throws {
            let world = try SignedInternet.running
            let surroundings = Surroundings(
                servers: [SignedInternet.address], trustAnchorFile: world.trustAnchorFile, dnssec: "on")
            try await world.lab.withBridge(
                port: 8498, settings: "http:\n  listen: [127.0.0.1:8499]\n", surroundings: surroundings,
                environment: ["MAIL_CONFIG": world.sender.instance.configuration]
            ) { bridge in
                try await bridge.eventuallyTold("protocol=http")
                let http = MonitoringClient(port: 8499)
                _ = try await eventually("DNSSEC was looked at") {
                    try await http.metrics()[#"sts_bridge_dnssec_state{state="works"}"#] == 1 ? true : nil
                }
            }
        }

        @Test func `DANE-2.2-d a TLSA answer that is late takes no TLS away from a signed domain`() async throws {
            let world = try SignedInternet.running
            try await world.publish(
                .plain("late.signed", mx: [.signed]), .plain("late.example"),
                LabDomain("late-enforced.signed", mx: [.signed], policy: Policy.enforce(MXHost.signed.name)))
            let address = "127.0.0.68"
            let resolver = try UnboundServer(
                in: world.lab.directory + "/late-resolver", asking: SignedInternet.address,
                trustAnchorFile: world.trustAnchorFile, at: address, silent: ["_tcp.\(MXHost.signed.name)."])
            try await resolver.start()
            let surroundings = Surroundings(
                servers: [address], trustAnchorFile: world.trustAnchorFile, timeout: "5s", deadline: "2s")
            try await world.lab.withBridge(
                port: 8496, settings: "policy:\n  no-policy-reply: none\n", surroundings: surroundings,
                environment: ["MAIL_CONFIG": world.sender.instance.configuration]
            ) { _ in
                #expect(try await SocketmapClient.ask("late.signed", port: 8496) == "OK dane")
                let enforced = try await SocketmapClient.ask("late-enforced.signed", port: 8496)
                let question = "_25._tcp.\(MXHost.signed.name) TLSA"
                #expect(enforced == "TEMP DANE of late-enforced.signed unknown: \(question): not answered yet")
                // The operator's wish holds where DANE is known not to apply.
                #expect(try await SocketmapClient.ask("late.example", port: 8496) == "OK none")
            }
            try await resolver.stop()
        }

        @Test func `a top-level domain with bogus signatures is named in the log, and DANE stays on for the others`()
            async throws
        {
            let world = try SignedInternet.running
            let (address, directory) = ("127.0.0.69", world.lab.directory + "/broken-org")
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
            try await world.lab.withBridge(
                port: 8496, surroundings: Surroundings(servers: [address], trustAnchorFile: anchors, minimumTTL: "1s"),
                environment: ["MAIL_CONFIG": world.sender.instance.configuration]
            ) { bridge in
                #expect(try await SocketmapClient.ask("dane.signed", port: 8496) == "OK dane")
                let line = try await eventually("the probe is logged") {
                    bridge.log.lines().first { $0.contains("DNSSEC validation works except for some zones") }
                }
                #expect(line.contains("org NS") && !line.contains("com NS"), "\(line)")
                #expect(bridge.log.text().contains("DNSSEC test name does not validate"))
                #expect(!bridge.log.text().contains("strip DNSSEC"))
                #expect(try await SocketmapClient.ask("dane.signed", port: 8496) == "OK dane")
            }
            try await dns.stop()
        }

        @Test func `query shows each answer with its security, and what Postfix would hear`() async throws {
            let world = try SignedInternet.running
            try await world.publish(
                LabDomain(
                    "shown.signed", mx: [.wrongTLSA, .failingTLSA], policy: Policy.enforce(MXHost.wrongTLSA.name)))
            let (status, output) = try await world.bridge.query("shown.signed")
            #expect(status == 0, "\(output)")
            #expect(output.contains("shown.signed MX: secure, 2 records"), "\(output)")
            #expect(output.contains("_25._tcp.wrong-tlsa.mx.signed TLSA: secure, 1 record"), "\(output)")
            #expect(output.contains("_25._tcp.failing-tlsa.mx.signed TLSA: SERVFAIL"), "\(output)")
            #expect(output.contains("dane-only"), "\(output)")
            #expect(!output.contains("\\x"), "our own words are not escaped: \(output)")
            let bogus = try await world.bridge.query("any.bogus")
            #expect(bogus.output.contains("any.bogus MX: bogus"), "\(bogus.output)")
        }
    }
}
