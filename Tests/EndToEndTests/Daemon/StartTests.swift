import Foundation
import Testing

extension EndToEnd {
    /// Starts on a host or in a container that lacks something: the first line has the reason, or the daemon runs nevertheless.
    @Suite struct StartTests {
        private static let port: UInt16 = 8497

        /// Runs the daemon after the shell script `preparation`, in a mount namespace of its own.
        private func start(
            _ network: TestNetwork, preparation: String, settings: String = "", environment: [String: String] = [:]
        ) throws -> ChildProcess {
            let directory = "\(network.directory)/bad-\(UUID().uuidString.prefix(8))"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            let yaml = """
                listen:
                  socketmap: [127.0.0.1:\(Self.port)]
                  tcp-table: []
                admin:
                  socket: ""
                postfix:
                  dane: off

                """
            let cache = settings.contains("cache:") ? "" : "cache:\n  path: \(directory)/policies.sqlite\n"
            try (yaml + cache + settings).write(toFile: directory + "/c.yaml", atomically: true, encoding: .utf8)
            return try ChildProcess(
                "/usr/bin/unshare",
                arguments: [
                    "-m", "/bin/sh", "-ec",
                    "\(preparation)\nexec \(try BridgeProcess.binary()) serve --config \(directory)/c.yaml",
                ],
                environment: environment, log: LogFile(path: directory + "/log"))
        }

        private static let withoutResolvConf = """
            mount -t tmpfs none /mnt
            cp -a /etc/. /mnt/
            rm -f /mnt/resolv.conf
            mount --bind /mnt /etc
            """

        @Test(
            arguments: [
                (
                    withoutResolvConf + "\nmkdir /etc/resolv.conf", "", [:],
                    "/etc/resolv.conf: Is a directory; expected a readable resolv.conf(5), or DNS servers in"
                ),
                (
                    "mount -t tmpfs none /etc/ssl", "", [:],
                    "CA file /etc/ssl/certs/ca-certificates.crt cannot be read: "
                ),
                (
                    "", "", ["STS_BRIDGE_DNS_SERVER": "192.0.2.1"],
                    "environment variable STS_BRIDGE_DNS_SERVER: unknown key STS_BRIDGE_DNS_SERVER;"
                ),
                (
                    "", "http:\n  listen: [127.0.0.1:\(BridgeProcess.port)]\n", [:],
                    "cannot serve http on 127.0.0.1:\(BridgeProcess.port): Address already in use"
                ),
                (
                    "", "", ["STS_BRIDGE_LISTEN_SOCKETMAP": "127.0.0.1:8499"],
                    "cannot listen on 127.0.0.1:8499: Address already in use"
                ),
            ] as [(String, String, [String: String], String)])
        func `a failed start logs the reason and exits with 3 if the next start may succeed, else with 2`(
            preparation: String, settings: String, environment: [String: String], reason: String
        ) async throws {
            let network = try TestNetwork.running
            // Another program that does not share its port.
            let other = try Supervisor.listening(port: 8499)
            defer { close(other) }
            let daemon = try start(network, preparation: preparation, settings: settings, environment: environment)
            let mayPass = ["already in use", "resolv.conf"].contains(where: reason.contains)
            #expect(try await daemon.wait() == (mayPass ? 3 : 2))
            let lines = daemon.log.lines()
            let line = settings.hasPrefix("http:") ? lines.last : lines.first
            #expect(line?.hasPrefix("sts-bridge: \(reason)") == true, "\(daemon.log.text())")
        }

        @Test(arguments: [
            ("mount --bind /dev/null /etc/resolv.conf", "", "warning resolv.conf names no DNS server, using 127.0.0.1"),
            (withoutResolvConf, "", "warning resolv.conf names no DNS server, using 127.0.0.1"),
            ("", "cache:\n  path: /proc/nowhere/policies.sqlite\n", "error cache file error, continuing in memory"),
        ])
        func `if mail can flow, the daemon runs and logs the problem`(
            preparation: String, settings: String, words: String
        ) async throws {
            let network = try TestNetwork.running
            let daemon = try start(network, preparation: preparation, settings: settings)
            _ = try await eventually("it listens") {
                if let status = daemon.status { throw TestNetworkError("ended with \(status): \(daemon.log.text())") }
                return TCPConnection.canConnect(to: "127.0.0.1", port: Self.port) ? true : nil
            }
            #expect(try await SocketmapClient.ask("x", port: Self.port) == "NOTFOUND ")
            _ = try await eventually("the log says: \(words)") { daemon.log.text().contains(words) ? true : nil }
            #expect(try await daemon.end() == 0, "\(daemon.log.text())")
        }

        @Test func `a resolv.conf created after the start is used without a reload, with one log line`() async throws {
            let network = try TestNetwork.running
            try await network.publish(TestDomain("late-dns.example", policy: Policy.enforce()))
            let fetch = """
                fetch:
                  ca-file: \(network.authority.root)
                  allow-networks: [127.0.0.0/8, "fd00:2::/32"]

                """
            let daemon = try start(network, preparation: Self.withoutResolvConf, settings: fetch)
            _ = try await eventually("it listens") {
                TCPConnection.canConnect(to: "127.0.0.1", port: Self.port) ? true : nil
            }
            // The /etc of the daemon's mount namespace.
            let path = "/proc/\(daemon.identifier)/root/etc/resolv.conf"
            try "nameserver \(KnotServer.address)\n".write(toFile: path, atomically: false, encoding: .utf8)
            let line = "notice DNS servers changed path=/etc/resolv.conf servers=\(KnotServer.address)"
            _ = try await eventually("the log says: \(line)", within: .seconds(5)) {
                daemon.log.text().contains(line) ? true : nil
            }
            #expect(try await SocketmapClient.ask("late-dns.example", port: Self.port).hasPrefix("OK secure match="))
            #expect(daemon.log.lines().count { $0.contains("DNS servers changed") } == 1)
            #expect(try await daemon.end() == 0, "\(daemon.log.text())")
        }
    }
}
