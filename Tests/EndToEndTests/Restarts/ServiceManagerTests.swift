import Foundation
import Testing

extension EndToEnd {
    /// The messages between the daemon and its service manager.
    @Suite struct ServiceManagerTests {
        private static let port: UInt16 = 8494

        private func configuration(_ network: TestNetwork, directory: String, listen: String) -> String {
            "listen:\n  socketmap: [\"\(listen)\"]\n  tcp-table: []\n  socket-group: \"\"\n"
                + BridgeEnvironment().configuration(trusting: network.authority, in: directory)
        }

        private func place(_ network: TestNetwork) throws -> (directory: String, supervisor: Supervisor) {
            let directory = "\(network.directory)/managed-\(UUID().uuidString.prefix(8))"
            return (directory, try Supervisor(in: directory))
        }

        @Test func `it receives readiness, state, life, reloads and the end`() async throws {
            let network = try TestNetwork.running
            let (directory, supervisor) = try place(network)
            let daemon = try supervisor.start(
                configuration(network, directory: directory, listen: "127.0.0.1:\(Self.port)"),
                environment: ["WATCHDOG_USEC": "400000"])
            try await supervisor.eventuallyReceives("READY=1")
            // Not before the listeners stand.
            #expect(TCPConnection.canConnect(to: "127.0.0.1", port: Self.port))
            #expect(supervisor.received.prefix(2) == ["STATUS=Starting", "READY=1\nSTATUS=0 policies cached"])
            try await supervisor.eventuallyReceives("WATCHDOG=1", times: 3)
            kill(daemon.identifier, SIGHUP)
            try await supervisor.eventuallyReceives("RELOADING=1\nMONOTONIC_USEC=")
            try await supervisor.eventuallyReceives("READY=1", times: 2)
            // A process that hangs is silent.
            kill(daemon.identifier, SIGSTOP)
            let silent = supervisor.received.count
            try await throughout(.milliseconds(900)) { #expect(supervisor.received.count <= silent + 1) }
            kill(daemon.identifier, SIGCONT)
            try await supervisor.eventuallyReceives("WATCHDOG=1", times: 4)
            #expect(try await daemon.end() == 0)
            #expect(supervisor.received.last == "STOPPING=1\nSTATUS=Stopping, answering pending lookups")
        }

        @Test func `a cache file error is in the status line`() async throws {
            let network = try TestNetwork.running
            let (directory, supervisor) = try place(network)
            let surroundings = BridgeEnvironment(cache: "/proc/policies.sqlite")
            let daemon = try supervisor.start(
                "listen:\n  socketmap: [127.0.0.1:\(Self.port)]\n  tcp-table: []\n"
                    + surroundings.configuration(trusting: network.authority, in: directory))
            try await supervisor.eventuallyReceives(
                "STATUS=0 policies cached; cache file error: Cache file /proc/policies")
            #expect(try await daemon.end() == 0)
        }

        /// A descriptor that is no listening stream socket.
        private func held(_ type: __socket_type) throws -> Int32 {
            try Supervisor.moved(socket(AF_INET, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0))
        }

        @Test func `sockets that cannot be used stop the start, and say which and why`() async throws {
            let network = try TestNetwork.running
            let (directory, supervisor) = try place(network)
            let listening = try Supervisor.listening(port: Self.port)
            let (datagrams, deaf) = (try held(SOCK_DGRAM), try held(SOCK_STREAM))
            defer { [listening, datagrams, deaf].forEach { close($0) } }
            let cases: [([(name: String, descriptor: Int32)], [String: String], String)] = [
                ([], [:], "no socket was passed; start it by a .socket unit with FileDescriptorName=table"),
                ([("other", listening)], [:], "no socket of that name was passed, but other; set FileDescriptor"),
                ([("table", datagrams)], [:], "descriptor 3 (table) is not a stream socket; use ListenStream="),
                ([("table", listening), ("table", deaf)], [:], "descriptor 4 (table) does not listen; use Accept=no"),
                ([("table", listening)], ["LISTEN_PID": "1"], "no socket was passed: LISTEN_PID is 1, this process"),
            ]
            for (sockets, environment, reason) in cases {
                let daemon = try supervisor.start(
                    configuration(network, directory: directory, listen: "systemd:table"), passing: sockets,
                    environment: environment, log: UUID().uuidString)
                #expect(try await daemon.wait() == 2)
                #expect(
                    daemon.log.text().hasPrefix("sts-bridge: cannot listen on systemd:table: \(reason)"),
                    "\(daemon.log.text())")
            }
        }

        @Test func `a passed socket that no key names is logged, and a reload keeps those that are used`() async throws
        {
            let network = try TestNetwork.running
            let (directory, supervisor) = try place(network)
            let sockets = [try Supervisor.listening(port: Self.port), try Supervisor.listening(port: Self.port + 1)]
            defer { sockets.forEach { close($0) } }
            let yaml = configuration(network, directory: directory, listen: "systemd:table")
            let daemon = try supervisor.start(yaml, passing: [("table", sockets[0]), ("spare", sockets[1])])
            try await supervisor.eventuallyReceives("READY=1")
            let message = "warning no listen key uses this socket from systemd"
            let unused = daemon.log.lines().filter { $0.contains(message) }
            #expect(unused.count == 1)
            #expect(unused.first?.hasSuffix("name=spare") == true)
            // Given up, taken again.
            for (turn, name) in ["spare", "table"].enumerated() {
                try yaml.replacing("systemd:table", with: "systemd:\(name)").write(
                    toFile: directory + "/supervised.yaml", atomically: true, encoding: .utf8)
                kill(daemon.identifier, SIGHUP)
                try await supervisor.eventuallyReceives("READY=1", times: 2 + turn)
                let reply = try await SocketmapClient.ask("x", port: Self.port + (name == "spare" ? 1 : 0))
                #expect(reply == "NOTFOUND ")
            }
            let health = { (arguments: [String]) in
                try await ChildProcess.run(
                    BridgeProcess.binary(),
                    arguments: ["healthcheck", "--config", directory + "/supervised.yaml"] + arguments)
            }
            let unknown = try await health([])
            #expect(unknown.status == 3)
            #expect(unknown.output.contains("is opened by systemd, so its address is unknown"))
            #expect(try await health(["--address", "127.0.0.1:\(Self.port)"]).status == 0)
            #expect(try await daemon.end() == 0)
        }
    }
}
