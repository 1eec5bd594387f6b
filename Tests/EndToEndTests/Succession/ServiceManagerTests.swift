import Foundation
import Testing

extension EndToEnd {
    /// What the daemon and its service manager say to each other.
    @Suite struct Managed {
        private static let port: UInt16 = 8494

        private func configuration(_ lab: Lab, _ directory: String, listen: String) -> String {
            "listen:\n  socketmap: [\"\(listen)\"]\n  tcp-table: []\n  socket-group: \"\"\n"
                + Surroundings().configuration(trusting: lab.authority, in: directory)
        }

        private func place(_ lab: Lab) throws -> (directory: String, supervisor: Supervisor) {
            let directory = "\(lab.directory)/managed-\(UUID().uuidString.prefix(8))"
            return (directory, try Supervisor(in: directory))
        }

        @Test func `it hears of readiness, state, life, reloads and the end`() async throws {
            let lab = try Lab.running
            let (directory, supervisor) = try place(lab)
            let daemon = try supervisor.start(
                configuration(lab, directory, listen: "127.0.0.1:\(Self.port)"),
                environment: ["WATCHDOG_USEC": "400000"])
            try await supervisor.eventuallyHears("READY=1")
            // Not before the listeners stand.
            #expect(TCPConnection.canConnect(to: "127.0.0.1", port: Self.port))
            #expect(supervisor.heard.prefix(2) == ["STATUS=Starting", "READY=1\nSTATUS=0 policies held"])
            try await supervisor.eventuallyHears("WATCHDOG=1", times: 3)
            kill(daemon.identifier, SIGHUP)
            try await supervisor.eventuallyHears("RELOADING=1\nMONOTONIC_USEC=")
            try await supervisor.eventuallyHears("READY=1", times: 2)
            // A process that hangs is silent.
            kill(daemon.identifier, SIGSTOP)
            let silent = supervisor.heard.count
            try await throughout(.milliseconds(900)) { #expect(supervisor.heard.count <= silent + 1) }
            kill(daemon.identifier, SIGCONT)
            try await supervisor.eventuallyHears("WATCHDOG=1", times: 4)
            #expect(try await daemon.end() == 0)
            #expect(supervisor.heard.last == "STOPPING=1\nSTATUS=Stopping, answering pending lookups")
        }

        @Test func `an archive that fails is in the status line`() async throws {
            let lab = try Lab.running
            let (directory, supervisor) = try place(lab)
            let surroundings = Surroundings(cache: "/proc/policies.sqlite")
            let daemon = try supervisor.start(
                "listen:\n  socketmap: [127.0.0.1:\(Self.port)]\n  tcp-table: []\n"
                    + surroundings.configuration(trusting: lab.authority, in: directory))
            try await supervisor.eventuallyHears("STATUS=0 policies held; archive failing: Cache file /proc/policies")
            #expect(try await daemon.end() == 0)
        }

        /// A descriptor that is no listening stream socket.
        private func held(_ type: __socket_type) throws -> Int32 {
            try Supervisor.held(socket(AF_INET, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0))
        }

        @Test func `sockets that cannot be used stop the start, and say which and why`() async throws {
            let lab = try Lab.running
            let (directory, supervisor) = try place(lab)
            let listening = try Supervisor.listening(port: Self.port)
            let (datagrams, deaf) = (try held(SOCK_DGRAM), try held(SOCK_STREAM))
            defer { [listening, datagrams, deaf].forEach { close($0) } }
            let cases: [([(name: String, descriptor: Int32)], [String: String], String)] = [
                ([], [:], "no socket was passed; start it by a .socket unit with FileDescriptorName=table"),
                ([("other", listening)], [:], "no socket of that name was passed, but other; set FileDescriptor"),
                ([("table", datagrams)], [:], "descriptor 3 (table) is no stream socket; use ListenStream="),
                ([("table", listening), ("table", deaf)], [:], "descriptor 4 (table) does not listen; use Accept=no"),
                ([("table", listening)], ["LISTEN_PID": "1"], "no socket was passed: LISTEN_PID is 1, this process"),
            ]
            for (sockets, environment, reason) in cases {
                let daemon = try supervisor.start(
                    configuration(lab, directory, listen: "systemd:table"), passing: sockets,
                    environment: environment, log: UUID().uuidString)
                #expect(try await daemon.wait() == 2)
                #expect(
                    daemon.log.text().hasPrefix("sts-bridge: cannot listen on systemd:table: \(reason)"),
                    "\(daemon.log.text())")
            }
        }

        @Test func `a passed socket that nobody names is told, and a reload keeps those that are used`() async throws {
            let lab = try Lab.running
            let (directory, supervisor) = try place(lab)
            let sockets = [try Supervisor.listening(port: Self.port), try Supervisor.listening(port: Self.port + 1)]
            defer { sockets.forEach { close($0) } }
            let yaml = configuration(lab, directory, listen: "systemd:table")
            let daemon = try supervisor.start(yaml, passing: [("table", sockets[0]), ("spare", sockets[1])])
            try await supervisor.eventuallyHears("READY=1")
            let told = daemon.log.lines().filter { $0.contains("warning passed socket") }
            #expect(told.count == 1)
            #expect(told.first?.hasSuffix("is used by no address under listen name=spare") == true)
            // Given up, taken again.
            for (turn, name) in ["spare", "table"].enumerated() {
                try yaml.replacing("systemd:table", with: "systemd:\(name)").write(
                    toFile: directory + "/supervised.yaml", atomically: true, encoding: .utf8)
                kill(daemon.identifier, SIGHUP)
                try await supervisor.eventuallyHears("READY=1", times: 2 + turn)
                let reply = try await SocketmapClient.ask("x", port: Self.port + (name == "spare" ? 1 : 0))
                #expect(reply == "NOTFOUND ")
            }
            let health = { (arguments: [String]) in
                try await ChildProcess.run(
                    BridgeProcess.binary(),
                    ["healthcheck", "--config", directory + "/supervised.yaml"] + arguments)
            }
            let unknown = try await health([])
            #expect(unknown.status == 3)
            #expect(unknown.output.contains("opened by the service manager, which alone knows where"))
            #expect(try await health(["--address", "127.0.0.1:\(Self.port)"]).status == 0)
            #expect(try await daemon.end() == 0)
        }
    }
}
