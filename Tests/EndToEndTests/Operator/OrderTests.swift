import Testing

extension EndToEnd.Operator {
    /// Orders, shown on mail that waits and mail that goes.
    @Suite struct Orders {
        @Test(arguments: [Route.socketmap, .tcp, .jail])
        func `exempting a domain lets the mail go that waits for it, at its next retry`(route: Route) async throws {
            let lab = try Lab.running
            let name = "exempt.\(route.rawValue).example"
            try await lab.publish(
                LabDomain(name, mx: [.selfSigned], policy: Policy.enforce(MXHost.selfSigned.name)))
            let delivery = try await lab.sender.send(to: "u@\(name)", by: route)
            lab.expectDeferred(delivery, because: ": self-signed certificate")
            let added = try await lab.bridge.command(
                "exempt", "add", name.uppercased(), "--until", "7d", "--reason", "their certificate, #4711")
            #expect(added.status == 0, "\(added.output)")
            #expect(added.output.hasPrefix("\(name) is exempted: Postfix is told nothing, until "), "\(added.output)")
            #expect(added.output.hasSuffix(", in 7d\n"), "\(added.output)")
            lab.expectSent(try await lab.sender.retry(delivery), at: .selfSigned, session: "Untrusted")
            let explained = try await lab.bridge.command("explain", name)
            #expect(explained.output.contains("rule          exempt\n"), "\(explained.output)")
            #expect(explained.output.contains("their certificate, #4711"), "\(explained.output)")
            #expect(explained.output.contains("given         by root, "), "\(explained.output)")
            let list = try await lab.bridge.command("exempt", "list")
            #expect(list.output.contains("\(name)  not-found  "), "\(list.output)")
            let removed = try await lab.bridge.command("exempt", "remove", name)
            #expect(removed.output == "\(name) is no longer exempted\n")
            lab.expectDeferred(
                try await lab.sender.send(to: "u@\(name)", by: route), because: ": self-signed certificate")
            #expect(try await lab.bridge.command("exempt", "remove", name).status == 1)
        }

        @Test func `a pinned domain gets its mail over verified TLS or not at all, whatever it publishes`() async throws
        {
            let lab = try Lab.running
            try await lab.publish(.plain("pin-good.example"), .plain("pin-bad.example", mx: [.selfSigned]))
            for (name, host) in [("pin-good.example", MXHost.good), ("pin-bad.example", .selfSigned)] {
                let before = try await lab.sender.send(to: "u@\(name)")
                #expect(before.first.status == "sent")
                #expect(before.first.session(with: host) != "Verified")
                let pinned = try await lab.bridge.command(
                    "pin", "add", name, "--match", host.name, "--reason", "contract")
                #expect(pinned.output == "\(name) is pinned to \(host.name), until it is removed\n")
            }
            try await lab.expectVerified(try await lab.sender.send(to: "u@pin-good.example"), at: .good)
            let held = try await lab.sender.send(to: "u@pin-bad.example")
            lab.expectDeferred(held, because: ": self-signed certificate")
            #expect(try await lab.bridge.command("pin", "remove", "pin-bad.example").status == 0)
            lab.expectSent(try await lab.sender.retry(held), at: .selfSigned, session: "Untrusted")
        }

        @Test func `a pin without names takes those of a testing policy, and without a policy mail waits`() async throws
        {
            let lab = try Lab.running
            try await lab.publish(
                LabDomain("pin-testing.example", policy: Policy.testing()), .plain("pin-nothing.example"))
            for name in ["pin-testing.example", "pin-nothing.example"] {
                _ = try await SocketmapClient.ask(name)
                #expect(try await lab.bridge.command("pin", "add", name, "--reason", "they test").status == 0)
            }
            try await lab.expectVerified(try await lab.sender.send(to: "u@pin-testing.example"), at: .good)
            let held = try await lab.sender.send(to: "u@pin-nothing.example")
            lab.expectDeferred(held, because: "pinned without names, and no policy is known")
            #expect(try await lab.bridge.command("pin", "remove", "pin-nothing.example").status == 0)
            #expect(try await lab.sender.retry(held).status == "sent")
        }

        @Test func `observe mode tells Postfix nothing, and explain tells what it would have been told`() async throws {
            let lab = try Lab.running
            let name = "observed.example"
            try await lab.publish(
                LabDomain(name, mx: [.selfSigned], policy: Policy.enforce(MXHost.selfSigned.name)))
            let delivery = try await lab.sender.send(to: "u@\(name)")
            lab.expectDeferred(delivery, because: ": self-signed certificate")
            let on = try await lab.bridge.command("observe", "on")
            #expect(on.output.hasPrefix("observe mode is on, by order of root, "), "\(on.output)")
            let shown: String
            do {
                lab.expectSent(try await lab.sender.retry(delivery), at: .selfSigned, session: "Untrusted")
                shown = try await lab.bridge.command("explain", name).output
                #expect(try await lab.bridge.command("status").output.contains("observe mode"))
            } catch {
                _ = try? await lab.bridge.command("observe", "off")
                throw error
            }
            let off = try await lab.bridge.command("observe", "off")
            #expect(off.output.hasPrefix("observe mode is off"))
            #expect(shown.contains("rule          observe\n"), "\(shown)")
            #expect(shown.contains("What it would be told without observe mode"), "\(shown)")
            #expect(shown.contains(secure(MXHost.selfSigned.name)), "\(shown)")
            lab.expectDeferred(try await lab.sender.send(to: "u@\(name)"), because: ": self-signed certificate")
        }

        @Test func `orders and observe mode outlive the daemon`() async throws {
            let lab = try Lab.running
            let cache = try CacheFile(lab)
            let transfer = Transfer(["kept-order.example"], fetchedAt: .init(timeIntervalSinceNow: -60))
            #expect(try await cache.command("cache", "import", input: transfer.text).status == 0)
            try await cache.serve(.cutOff) { bridge in
                let added = try await bridge.command(
                    "exempt", "add", "kept-order.example", "--reason", "r", "--as", "may")
                #expect(added.output == "kept-order.example is exempted: Postfix is told may, until it is removed\n")
                try await bridge.kill()
            }
            try await cache.serve(.cutOff) { bridge in
                #expect(try await SocketmapClient.ask("kept-order.example", port: CacheFile.port) == "OK may")
                #expect(try await bridge.command("observe", "on").status == 0)
                try await bridge.kill()
            }
            try await cache.serve(.cutOff) { bridge in
                let reply = try await SocketmapClient.ask("kept-order.example", port: CacheFile.port)
                #expect(reply == "NOTFOUND ")
                #expect(try await bridge.command("observe", "off").status == 0)
                #expect(try await bridge.command("exempt", "remove", "kept-order.example").status == 0)
                await cache.expectSecure(["kept-order.example"])
            }
        }

        @Test func `policy.observe switches observe mode on for good: no order switches it off`() async throws {
            let lab = try Lab.running
            try await lab.publish(LabDomain("configured.example", policy: Policy.enforce()))
            try await lab.withBridge(port: 8477, settings: "policy:\n  observe: true\n") { bridge in
                #expect(try await SocketmapClient.ask("configured.example", port: 8477) == "NOTFOUND ")
                let off = try await bridge.command("observe", "off")
                #expect(off.status == 2)
                #expect(
                    off.output
                        == "sts-bridge: policy.observe is true in the configuration; set it to false there, then "
                        + "reload\n")
                #expect(try await bridge.command("observe").output.contains("on, by the configuration"))
            }
        }
    }
}
