import Testing

extension EndToEnd.Operator {
    /// Overrides, and their effect on mail in the queue.
    @Suite struct Overrides {
        @Test(arguments: [Route.socketmap, .tcp, .chroot])
        func `after an exemption the mail in the queue goes at its next retry`(route: Route) async throws {
            let network = try TestNetwork.running
            let name = "exempt.\(route.rawValue).example"
            try await network.publish(
                TestDomain(name, mx: [.selfSigned], policy: Policy.enforce(MXHost.selfSigned.name)))
            let delivery = try await network.sender.send(to: "u@\(name)", by: route)
            network.expectDeferred(delivery, because: ": self-signed certificate")
            let added = try await network.bridge.command(
                "exempt", "add", name.uppercased(), "--until", "7d", "--reason", "their certificate, #4711")
            #expect(added.status == 0, "\(added.output)")
            #expect(added.output.hasPrefix("\(name) is exempted: reply not-found, until "), "\(added.output)")
            #expect(added.output.hasSuffix(", in 7d\n"), "\(added.output)")
            network.expectSent(try await network.sender.retry(delivery), at: .selfSigned, session: "Untrusted")
            let explained = try await network.bridge.command("explain", name)
            #expect(explained.output.contains("rule          exempt\n"), "\(explained.output)")
            #expect(explained.output.contains("their certificate, #4711"), "\(explained.output)")
            #expect(explained.output.contains("set           by root, "), "\(explained.output)")
            let list = try await network.bridge.command("exempt", "list")
            #expect(list.output.contains("\(name)  not-found  "), "\(list.output)")
            let removed = try await network.bridge.command("exempt", "remove", name)
            #expect(removed.output == "\(name) is no longer exempted\n")
            network.expectDeferred(
                try await network.sender.send(to: "u@\(name)", by: route), because: ": self-signed certificate")
            #expect(try await network.bridge.command("exempt", "remove", name).status == 1)
        }

        @Test func `mail to a pinned domain goes over verified TLS or not at all, whatever it publishes`() async throws
        {
            let network = try TestNetwork.running
            try await network.publish(.plain("pin-good.example"), .plain("pin-bad.example", mx: [.selfSigned]))
            for (name, host) in [("pin-good.example", MXHost.good), ("pin-bad.example", .selfSigned)] {
                let before = try await network.sender.send(to: "u@\(name)")
                #expect(before.first.status == "sent")
                #expect(before.first.session(with: host) != "Verified")
                let pinned = try await network.bridge.command(
                    "pin", "add", name, "--match", host.name, "--reason", "contract")
                #expect(pinned.output == "\(name) is pinned to \(host.name), until it is removed\n")
            }
            try await network.expectVerified(try await network.sender.send(to: "u@pin-good.example"), at: .good)
            let deferred = try await network.sender.send(to: "u@pin-bad.example")
            network.expectDeferred(deferred, because: ": self-signed certificate")
            #expect(try await network.bridge.command("pin", "remove", "pin-bad.example").status == 0)
            network.expectSent(try await network.sender.retry(deferred), at: .selfSigned, session: "Untrusted")
        }

        @Test func `a pin without names uses those of a testing policy, and without a policy mail waits`() async throws
        {
            let network = try TestNetwork.running
            try await network.publish(
                TestDomain("pin-testing.example", policy: Policy.testing()), .plain("pin-nothing.example"))
            for name in ["pin-testing.example", "pin-nothing.example"] {
                _ = try await SocketmapClient.ask(name)
                #expect(try await network.bridge.command("pin", "add", name, "--reason", "they test").status == 0)
            }
            try await network.expectVerified(try await network.sender.send(to: "u@pin-testing.example"), at: .good)
            let deferred = try await network.sender.send(to: "u@pin-nothing.example")
            network.expectDeferred(deferred, because: "pinned without names, and no policy is known")
            #expect(try await network.bridge.command("pin", "remove", "pin-nothing.example").status == 0)
            #expect(try await network.sender.retry(deferred).status == "sent")
        }

        @Test func `in observe mode the reply is not found, and explain shows the suppressed one`() async throws {
            let network = try TestNetwork.running
            let name = "observed.example"
            try await network.publish(
                TestDomain(name, mx: [.selfSigned], policy: Policy.enforce(MXHost.selfSigned.name)))
            let delivery = try await network.sender.send(to: "u@\(name)")
            network.expectDeferred(delivery, because: ": self-signed certificate")
            let on = try await network.bridge.command("observe", "on")
            #expect(on.output.hasPrefix("observe mode is on, set by root, "), "\(on.output)")
            let shown: String
            do {
                network.expectSent(try await network.sender.retry(delivery), at: .selfSigned, session: "Untrusted")
                shown = try await network.bridge.command("explain", name).output
                #expect(try await network.bridge.command("status").output.contains("observe mode"))
            } catch {
                _ = try? await network.bridge.command("observe", "off")
                throw error
            }
            let off = try await network.bridge.command("observe", "off")
            #expect(off.output.hasPrefix("observe mode is off"))
            #expect(shown.contains("rule          observe\n"), "\(shown)")
            #expect(shown.contains("Reply without observe mode"), "\(shown)")
            #expect(shown.contains(secure(MXHost.selfSigned.name)), "\(shown)")
            network.expectDeferred(try await network.sender.send(to: "u@\(name)"), because: ": self-signed certificate")
        }

        @Test func `overrides and observe mode survive a restart`() async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network)
            let transfer = Transfer(["saved-override.example"], fetchedAt: .init(timeIntervalSinceNow: -60))
            #expect(try await cache.command("cache", "import", input: transfer.text).status == 0)
            try await cache.serve(.cutOff) { bridge in
                let added = try await bridge.command(
                    "exempt", "add", "saved-override.example", "--reason", "r", "--as", "may")
                #expect(added.output == "saved-override.example is exempted: reply may, until it is removed\n")
                try await bridge.kill()
            }
            try await cache.serve(.cutOff) { bridge in
                #expect(try await SocketmapClient.ask("saved-override.example", port: CacheFile.port) == "OK may")
                #expect(try await bridge.command("observe", "on").status == 0)
                try await bridge.kill()
            }
            try await cache.serve(.cutOff) { bridge in
                let reply = try await SocketmapClient.ask("saved-override.example", port: CacheFile.port)
                #expect(reply == "NOTFOUND ")
                #expect(try await bridge.command("observe", "off").status == 0)
                #expect(try await bridge.command("exempt", "remove", "saved-override.example").status == 0)
                await cache.expectSecure(["saved-override.example"])
            }
        }

        @Test func `policy.observe switches observe mode on, and no request switches it off`() async throws {
            let network = try TestNetwork.running
            try await network.publish(TestDomain("configured.example", policy: Policy.enforce()))
            try await network.withBridge(port: 8477, settings: "policy:\n  observe: true\n") { bridge in
                #expect(try await SocketmapClient.ask("configured.example", port: 8477) == "NOTFOUND ")
                let off = try await bridge.command("observe", "off")
                #expect(off.status == 2)
                #expect(
                    off.output
                        == "sts-bridge: policy.observe is true in the configuration; set it to false there, then "
                        + "reload\n")
                #expect(try await bridge.command("observe").output.contains("on, set by the configuration"))
            }
        }
    }
}
