import Foundation
import Testing

extension EndToEnd {
    /// SIGHUP: the daemon reads the configuration again while connections of Postfix stay open.
    @Suite struct ReloadTests {
        private static let notFound = "NOTFOUND "

        /// A connection that stays open, like those of Postfix.
        private final class OpenConnection: Sendable {
            private let connection: TCPConnection

            init(port: UInt16) throws {
                connection = try TCPConnection(to: "127.0.0.1", port: port)
            }

            func send(_ key: String) throws { try SocketmapClient.send("postfix \(key)", over: connection) }

            /// Does not block a thread of Swift's tasks.
            func receive() async throws -> String {
                try await withCheckedThrowingContinuation { continuation in
                    DispatchQueue.global().async {
                        continuation.resume(with: Result { try SocketmapClient.receive(over: self.connection) })
                    }
                }
            }

            func ask(_ key: String) async throws -> String {
                try send(key)
                return try await receive()
            }
        }

        /// The lines with `text`, from `text` on.
        private func suffixes(of lines: [String], from text: String) -> [String] {
            lines.compactMap { line in line.range(of: text).map { String(line[$0.lowerBound...]) } }
        }

        @Test func `idle and pending connections survive, and new lookups use the new servers at once`() async throws {
            let network = try TestNetwork.running
            try await network.publish(TestDomain("reload.example", policy: Policy.enforce()))
            let mute = BridgeEnvironment(servers: [SilentAddresses.resolver], timeout: "3s", minimumTTL: "1s")
            try await network.withBridge(port: 8481, surroundings: mute) { bridge in
                let pending = try OpenConnection(port: 8481)
                let idle = try OpenConnection(port: 8481)
                try pending.send("pending.example")
                // One thread serves both: when it answers this one, it has read the other request.
                #expect(try await idle.ask("nothing") == Self.notFound)
                let lines = try await bridge.reload(
                    bridge.configuration.replacing("\"\(SilentAddresses.resolver)\"", with: "\"\(KnotServer.address)\"")
                )
                #expect(
                    suffixes(of: lines, from: "configuration changed")
                        == [
                            "configuration changed from=\(SilentAddresses.resolver) key=dns.servers to=\(KnotServer.address)"
                        ])
                #expect(try await idle.ask("reload.example") == secure(MXHost.good.name))
                // The lookup waits for the old servers until their timeout.
                #expect(try await pending.receive() == Self.notFound)
                #expect(try await pending.ask("reload.example") == secure(MXHost.good.name))
                #expect(bridge.log.text().contains("(servers \(SilentAddresses.resolver))"))
            }
        }

        @Test func `decisions change for open connections, without a new discovery`() async throws {
            let network = try TestNetwork.running
            try await network.publish(
                TestDomain("reload-testing.example", policy: Policy.testing()),
                TestDomain("reload-unknown.example").with { $0.policyHost?.addresses = [PolicyHost.refusing] })
            try await network.withBridge(port: 8482) { bridge in
                let open = try OpenConnection(port: 8482)
                #expect(try await open.ask("reload-testing.example") == Self.notFound)
                #expect(try await open.ask("reload-unknown.example") == Self.notFound)
                let strict = bridge.configuration.replacing("on-unknown: deliver", with: "on-unknown: defer")
                let lines = try await bridge.reload(strict + "policy:\n  enforce-testing: true\n")
                #expect(
                    suffixes(of: lines, from: "configuration changed") == [
                        "configuration changed from=false key=policy.enforce-testing to=true",
                        "configuration changed from=deliver key=lookup.on-unknown to=defer",
                    ])
                #expect(try await open.ask("reload-testing.example") == secure(MXHost.good.name))
                #expect(try await open.ask("reload-unknown.example").hasPrefix("TEMP policy of reload-unknown"))
                _ = try await bridge.reload(bridge.configuration)
                #expect(try await open.ask("reload-testing.example") == Self.notFound)
                #expect(suffixes(of: bridge.log.lines(), from: "new policy").count == 1)
            }
        }

        @Test(arguments: [
            ("nonsense: 1\n", "unknown key nonsense"),
            ("policy:\n  enforce-testing: perhaps\n", "policy.enforce-testing: \"perhaps\"; expected true or false"),
            ("policy: [\n", "not YAML"),
            ("postfix:\n  version: 3.10\n", "postfix.version is 3.10, but Postfix is 3."),
        ])
        func `an invalid file is rejected with the error of a start, and the old configuration stays`(
            addition: String, reason: String
        ) async throws {
            let network = try TestNetwork.running
            try await network.publish(TestDomain("reload-bad.example", policy: Policy.enforce()))
            try await network.withBridge(port: 8483) { bridge in
                let lines = try await bridge.reload(bridge.configuration + addition)
                let refused = suffixes(of: lines, from: "error reload rejected, keeping the old configuration")
                #expect(refused.count == 1)
                #expect(refused.first?.replacing("\\\"", with: "\"").contains(reason) == true, "\(refused)")
                #expect(suffixes(of: lines, from: "configuration changed") == [])
                #expect(try await SocketmapClient.ask("reload-bad.example", port: 8483) == secure(MXHost.good.name))
                // The same file at a start.
                let start = try await ChildProcess.run(
                    BridgeProcess.binary(), arguments: ["serve", "--config", bridge.path])
                #expect(start.status == 2)
                #expect(start.output.contains(reason), "\(start.output)")
            }
        }

        @Test func `addresses are added and removed; an address that cannot be opened changes nothing`() async throws {
            let network = try TestNetwork.running
            try await network.withBridge(port: 8484) { bridge in
                let open = try OpenConnection(port: 8484)
                let old = "socketmap: [127.0.0.1:8484]"
                let lines = try await bridge.reload(
                    bridge.configuration.replacing(old, with: "socketmap: [127.0.0.1:8485, \"[::1]:8485\"]"))
                #expect(
                    suffixes(of: lines, from: "info listening").filter { $0.contains(":8485 ") }.count == 2, "\(lines)")
                #expect(suffixes(of: lines, from: "info no longer listening").count == 1, "\(lines)")
                #expect(try await SocketmapClient.ask("x", port: 8485) == Self.notFound)
                #expect(!TCPConnection.canConnect(to: "127.0.0.1", port: 8484))
                #expect(try await open.ask("x") == Self.notFound)
                // Another program that does not share its port.
                let other = try Supervisor.listening(port: 8499)
                defer { close(other) }
                for (address, reason) in [
                    ("192.0.2.77:8485", "this host does not have the address"),
                    ("127.0.0.1:8499", "choose another port under listen"),
                ] {
                    let refused = try await bridge.reload(
                        bridge.configuration.replacing(old, with: "socketmap: [127.0.0.1:8486, \(address)]"))
                    #expect(refused.contains { $0.contains("reload rejected") && $0.contains(reason) }, "\(refused)")
                    #expect(!TCPConnection.canConnect(to: "127.0.0.1", port: 8486))
                    #expect(try await SocketmapClient.ask("x", port: 8485) == Self.notFound)
                }
                _ = try await bridge.reload(
                    bridge.configuration.replacing(old, with: "socketmap: [\"0.0.0.0:8485\"]"))
                #expect(try await SocketmapClient.ask("x", port: 8485) == Self.notFound)
                _ = try await bridge.reload(bridge.configuration)
                #expect(try await SocketmapClient.ask("x", port: 8484) == Self.notFound)
            }
        }

        @Test func `keys that need a restart are logged in one line and keep their values`() async throws {
            let network = try TestNetwork.running
            try await network.publish(TestDomain("reload-restart.example", policy: Policy.enforce()))
            try await network.withBridge(port: 8487) { bridge in
                let path = bridge.path.replacing("config.yaml", with: "policies.sqlite")
                let lines = try await bridge.reload(
                    bridge.configuration.replacing("path: \(path)", with: "max-domains: 5000\n  path: \(path).new"))
                #expect(
                    suffixes(of: lines, from: "warning configuration needs") == [
                        "warning configuration needs a restart, these keys keep their old value "
                            + "keys=cache.path,cache.max-domains"
                    ])
                #expect(try await SocketmapClient.ask("reload-restart.example", port: 8487) == secure(MXHost.good.name))
                #expect(!FileManager.default.fileExists(atPath: path + ".new"))
            }
        }

        @Test func `the log level and format change too`() async throws {
            let network = try TestNetwork.running
            try await network.withBridge(port: 8488) { bridge in
                for message in ["policies loaded", "protocol=admin"] { try await bridge.eventuallyLogs(message) }
                #expect(try await SocketmapClient.ask("x", port: 8488) == Self.notFound)
                let lookups = try await eventually("the lookup is logged") {
                    let lines = suffixes(of: bridge.log.lines(), from: "debug lookup")
                    return lines.isEmpty ? nil : lines
                }
                #expect(lookups.count == 1)
                let before = bridge.log.end
                _ = try await bridge.reload(
                    bridge.configuration.replacing("level: debug", with: "level: info\n  format: json"))
                #expect(try await SocketmapClient.ask("x", port: 8488) == Self.notFound)
                let lines = bridge.log.lines(from: before)
                #expect(suffixes(of: lines, from: "\"lookup\"").isEmpty)
                #expect(lines.allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}") }, "\(lines)")
            }
        }

        /// The number of descriptors and threads of a process.
        private func resources(_ process: pid_t) throws -> (descriptors: Int, threads: Int) {
            let count = { (what: String) in
                try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/\(what)").count
            }
            return (try count("fd"), try count("task"))
        }

        @Test func `many reloads lose no answer and leak no descriptor and no thread`() async throws {
            let network = try TestNetwork.running
            let crowd = Crowd("storm", of: 200)
            try await network.publish(crowd)
            try await network.withBridge(port: 8489) { bridge in
                let process = try #require(await bridge.identifier)
                _ = try await bridge.reload(bridge.configuration)
                let before = try resources(process)
                async let storm: Void = {
                    for _ in 1...20 { _ = try await bridge.reload(bridge.configuration) }
                }()
                let replies = await SocketmapClient.askAll(crowd.names, port: 8489)
                try await storm
                #expect(replies.count == crowd.names.count)
                #expect(Set(replies.values) == [secure(MXHost.good.name)])
                // The threads of the last resolver and fetcher end by themselves, and the connections are closed.
                _ = try await eventually("descriptors and threads are as many as before") {
                    let now = try resources(process)
                    return now.descriptors <= before.descriptors + 4 && now.threads <= before.threads + 4 ? now : nil
                }
            }
        }
    }
}
