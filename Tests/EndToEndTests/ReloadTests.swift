import Foundation
import Testing

extension EndToEnd {
    /// SIGHUP: the configuration is read again while Postfix's connections stand.
    @Suite struct Reload {
        private static let notFound = "NOTFOUND "

        /// A connection that a Postfix would keep.
        private final class Standing: Sendable {
            private let connection: TCPConnection

            init(port: UInt16) throws {
                connection = try TCPConnection(to: "127.0.0.1", port: port)
            }

            func send(_ key: String) throws { try SocketmapClient.send("postfix \(key)", over: connection) }

            /// Off the threads of Swift's tasks.
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

        /// Lines without their times, which no two have in common.
        private func told(_ lines: [String], _ words: String) -> [String] {
            lines.compactMap { line in line.range(of: words).map { String(line[$0.lowerBound...]) } }
        }

        @Test func `idle and pending connections survive; new lookups go to the new servers at once`() async throws {
            let lab = try Lab.running
            try await lab.publish(LabDomain("reload.example", policy: Policy.enforce()))
            let mute = Surroundings(servers: [Silence.resolver], timeout: "3s", minimumTTL: "1s")
            try await lab.withBridge(port: 8481, surroundings: mute) { bridge in
                let pending = try Standing(port: 8481)
                let idle = try Standing(port: 8481)
                try pending.send("pending.example")
                // One thread serves both: when it answers this one it has taken the other's request.
                #expect(try await idle.ask("nothing") == Self.notFound)
                let lines = try await bridge.reload(
                    bridge.configuration.replacing("\"\(Silence.resolver)\"", with: "\"\(KnotServer.address)\""))
                #expect(
                    told(lines, "configuration changed")
                        == ["configuration changed from=\(Silence.resolver) key=dns.servers to=\(KnotServer.address)"])
                #expect(try await idle.ask("reload.example") == secure(MXHost.good.name))
                // The old servers are waited for as long as they were to be.
                #expect(try await pending.receive() == Self.notFound)
                #expect(try await pending.ask("reload.example") == secure(MXHost.good.name))
                #expect(bridge.log.text().contains("(servers \(Silence.resolver))"))
            }
        }

        @Test func `what is decided changes for connections that stand, without a new discovery`() async throws {
            let lab = try Lab.running
            try await lab.publish(
                LabDomain("reload-testing.example", policy: Policy.testing()),
                LabDomain("reload-unknown.example").with { $0.policyHost?.addresses = [PolicyHost.refusing] })
            try await lab.withBridge(port: 8482) { bridge in
                let standing = try Standing(port: 8482)
                #expect(try await standing.ask("reload-testing.example") == Self.notFound)
                #expect(try await standing.ask("reload-unknown.example") == Self.notFound)
                let strict = bridge.configuration.replacing("on-unknown: deliver", with: "on-unknown: defer")
                let lines = try await bridge.reload(strict + "policy:\n  enforce-testing: true\n")
                #expect(
                    told(lines, "configuration changed") == [
                        "configuration changed from=false key=policy.enforce-testing to=true",
                        "configuration changed from=deliver key=lookup.on-unknown to=defer",
                    ])
                #expect(try await standing.ask("reload-testing.example") == secure(MXHost.good.name))
                #expect(try await standing.ask("reload-unknown.example").hasPrefix("TEMP policy of reload-unknown"))
                _ = try await bridge.reload(bridge.configuration)
                #expect(try await standing.ask("reload-testing.example") == Self.notFound)
                #expect(told(bridge.log.lines(), "policy learnt").count == 1)
            }
        }

        @Test(arguments: [
            ("nonsense: 1\n", "unknown key nonsense"),
            ("policy:\n  enforce-testing: perhaps\n", "policy.enforce-testing: \"perhaps\"; expected true or false"),
            ("policy: [\n", "not YAML"),
            ("postfix:\n  version: 3.10\n", "postfix.version is 3.10, but postconf says 3."),
        ])
        func `a file that cannot be used is refused with the words of the start, and the old one stays`(
            addition: String, reason: String
        ) async throws {
            let lab = try Lab.running
            try await lab.publish(LabDomain("reload-bad.example", policy: Policy.enforce()))
            try await lab.withBridge(port: 8483) { bridge in
                let lines = try await bridge.reload(bridge.configuration + addition)
                let refused = told(lines, "error reload refused, the old configuration stays")
                #expect(refused.count == 1)
                #expect(refused.first?.replacing("\\\"", with: "\"").contains(reason) == true, "\(refused)")
                #expect(told(lines, "configuration changed") == [])
                #expect(try await SocketmapClient.ask("reload-bad.example", port: 8483) == secure(MXHost.good.name))
                // The same file at a start.
                let start = try await ChildProcess.run(
                    BridgeProcess.binary(), ["serve", "--config", bridge.path])
                #expect(start.status == 2)
                #expect(start.output.contains(reason), "\(start.output)")
            }
        }

        @Test func `addresses come and go; one that cannot be had leaves all as it was`() async throws {
            let lab = try Lab.running
            try await lab.withBridge(port: 8484) { bridge in
                let standing = try Standing(port: 8484)
                let old = "socketmap: [127.0.0.1:8484]"
                let lines = try await bridge.reload(
                    bridge.configuration.replacing(old, with: "socketmap: [127.0.0.1:8485, \"[::1]:8485\"]"))
                #expect(told(lines, "info listening").filter { $0.contains(":8485 ") }.count == 2, "\(lines)")
                #expect(told(lines, "info no longer listening").count == 1, "\(lines)")
                #expect(try await SocketmapClient.ask("x", port: 8485) == Self.notFound)
                #expect(!TCPConnection.canConnect(to: "127.0.0.1", port: 8484))
                #expect(try await standing.ask("x") == Self.notFound)
                for (address, reason) in [
                    ("0.0.0.0:8485", "127.0.0.1:8485 of this process is in the way; remove that first, or restart"),
                    ("192.0.2.77:8485", "this host does not have the address"),
                    ("127.0.0.1:\(BridgeProcess.port)", "choose another port under listen"),
                ] {
                    let refused = try await bridge.reload(
                        bridge.configuration.replacing(old, with: "socketmap: [127.0.0.1:8486, \(address)]"))
                    #expect(refused.contains { $0.contains("reload refused") && $0.contains(reason) }, "\(refused)")
                    #expect(!TCPConnection.canConnect(to: "127.0.0.1", port: 8486))
                    #expect(try await SocketmapClient.ask("x", port: 8485) == Self.notFound)
                }
                _ = try await bridge.reload(bridge.configuration)
                #expect(try await SocketmapClient.ask("x", port: 8484) == Self.notFound)
            }
        }

        @Test func `what takes a restart is named in one line and stays`() async throws {
            let lab = try Lab.running
            try await lab.publish(LabDomain("reload-restart.example", policy: Policy.enforce()))
            try await lab.withBridge(port: 8487) { bridge in
                let path = bridge.path.replacing("config.yaml", with: "policies.sqlite")
                let lines = try await bridge.reload(
                    bridge.configuration.replacing("path: \(path)", with: "max-domains: 5000\n  path: \(path).new"))
                #expect(
                    told(lines, "warning configuration needs") == [
                        "warning configuration needs a restart, these keys keep their old value "
                            + "keys=cache.path,cache.max-domains"
                    ])
                #expect(try await SocketmapClient.ask("reload-restart.example", port: 8487) == secure(MXHost.good.name))
                #expect(!FileManager.default.fileExists(atPath: path + ".new"))
            }
        }

        @Test func `the log's level and format change with it`() async throws {
            let lab = try Lab.running
            try await lab.withBridge(port: 8488) { bridge in
                for message in ["policies loaded", "protocol=admin"] { try await bridge.eventuallyTold(message) }
                #expect(try await SocketmapClient.ask("x", port: 8488) == Self.notFound)
                #expect(told(bridge.log.lines(), "debug lookup").count == 1)
                let before = bridge.log.end
                _ = try await bridge.reload(
                    bridge.configuration.replacing("level: debug", with: "level: info\n  format: json"))
                #expect(try await SocketmapClient.ask("x", port: 8488) == Self.notFound)
                let lines = bridge.log.lines(from: before)
                #expect(told(lines, "\"lookup\"").isEmpty)
                #expect(lines.allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}") }, "\(lines)")
            }
        }

        /// How many descriptors and threads a process has.
        private func holdings(_ process: pid_t) throws -> (descriptors: Int, threads: Int) {
            let count = { (what: String) in
                try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/\(what)").count
            }
            return (try count("fd"), try count("task"))
        }

        @Test func `a storm of reloads costs no lookup its answer, and leaves nothing behind`() async throws {
            let lab = try Lab.running
            let crowd = Crowd("storm", of: 200)
            try await lab.publish(crowd)
            try await lab.withBridge(port: 8489) { bridge in
                let process = try #require(await bridge.identifier)
                _ = try await bridge.reload(bridge.configuration)
                let before = try holdings(process)
                async let storm: Void = {
                    for _ in 1...20 { _ = try await bridge.reload(bridge.configuration) }
                }()
                let replies = await SocketmapClient.askAll(crowd.names, port: 8489)
                try await storm
                #expect(replies.count == crowd.names.count)
                #expect(Set(replies.values) == [secure(MXHost.good.name)])
                // The last resolver's and fetcher's threads end by themselves; the connections of the crowd are closed.
                _ = try await eventually("descriptors and threads are as many as before") {
                    let now = try holdings(process)
                    return now.descriptors <= before.descriptors + 4 && now.threads <= before.threads + 4 ? now : nil
                }
            }
        }
    }
}
