import Foundation
import Testing

extension EndToEnd {
    /// A new daemon takes the place of an old one, and no lookup is lost.
    @Suite struct Succession {
        private static let port: UInt16 = 8491

        /// The daemons of one test: one cache file, one address.
        private struct Family {
            let lab: Lab
            let directory: String
            let address: String
            let supervisor: Supervisor

            init(_ lab: Lab, at address: String? = nil) throws {
                self.lab = lab
                directory = "\(lab.directory)/family-\(UUID().uuidString.prefix(8))"
                supervisor = try Supervisor(in: directory)
                self.address = address ?? "unix:\(directory)/socket"
            }

            var cache: String { directory + "/policies.sqlite" }

            func configuration(_ surroundings: Surroundings = Surroundings()) -> String {
                "listen:\n  socketmap: [\"\(address)\"]\n  tcp-table: []\n  socket-group: \"\"\n"
                    + surroundings.configuration(trusting: lab.authority, in: directory)
                    + "http:\n  listen: [127.0.0.1:8492]\n"
            }

            func start(_ name: String, passing: [(String, Int32)] = []) async throws -> ChildProcess {
                let daemon = try supervisor.start(configuration(), passing: passing, log: name)
                try await told(daemon, "listening")
                return daemon
            }

            func told(_ daemon: ChildProcess, _ message: String) async throws {
                _ = try await eventually("\(daemon.log.path) says: \(message)") {
                    if let status = daemon.status { throw LabFailure("ended with \(status): \(daemon.log.text())") }
                    return daemon.log.text().contains(message) ? true : nil
                }
            }

            /// What the daemon at the operator's socket says.
            func operate(_ arguments: String...) async throws -> (status: Int32, output: String) {
                let path = "\(directory)/operator.yaml"
                try configuration().write(toFile: path, atomically: true, encoding: .utf8)
                return try await ChildProcess.run(BridgeProcess.binary(), arguments + ["--config", path])
            }
        }

        @Test(arguments: [false, true])
        func `a daemon that is started beside another takes over without a lost lookup`(isUnix: Bool) async throws {
            let lab = try Lab.running
            let crowd = Crowd(isUnix ? "heir-unix" : "heir-tcp", of: 6)
            try await lab.publish(crowd)
            let family = try Family(lab, at: isUnix ? nil : "127.0.0.1:\(Self.port)")
            var incumbent = try await family.start("daemon0")
            let load = SteadyLoad(isUnix ? .unix(path: family.directory + "/socket") : .tcp(port: Self.port))
            let table = isUnix ? "socketmap:unix:\(family.directory)/socket" : "socketmap:inet:127.0.0.1:\(Self.port)"
            for generation in 1...3 {
                try await load.goOn()
                let heir = try await family.start("daemon\(generation)")
                try await family.told(heir, "another daemon is in charge")
                // The one that stands ready is not asked.
                try await load.goOn()
                #expect(try await lab.sender.query(crowd.names[2 * generation - 2], table + ":postfix") != nil)
                #expect(incumbent.log.text().contains("policy learnt domain=\(crowd.names[2 * generation - 2])"))
                #expect(!heir.log.text().contains("debug lookup"), "\(heir.log.text())")
                #expect(try await incumbent.end() == 0, "\(incumbent.log.text())")
                #expect(try await lab.sender.query(crowd.names[2 * generation - 1], table + ":postfix") != nil)
                try await family.told(heir, "in charge now")
                try await family.told(heir, "protocol=admin")
                try await family.told(heir, "protocol=http")
                #expect(try await family.operate("status").status == 0)
                incumbent = heir
            }
            try await load.goOn()
            let outcome = await load.stop()
            #expect(outcome.failures == [])
            #expect(outcome.answered > 3_000)
            try await incumbent.end(with: SIGKILL)
            // Whoever learnt it, and whoever had the file.
            let kept = try CacheFile(lab, in: family.directory)
            try await kept.expectKept(crowd.names)
        }

        @Test func `sockets that a supervisor holds lose no lookup while the daemon is another one`() async throws {
            let lab = try Lab.running
            let name = "activated.example"
            try await lab.publish(LabDomain(name, policy: Policy.enforce()))
            let family = try Family(lab, at: "systemd:table")
            let sockets = [try Supervisor.listening(port: Self.port), try Supervisor.listening(port: Self.port + 2)]
            defer { sockets.forEach { close($0) } }
            let passing = sockets.map { ("table", $0) }
            var daemon = try await family.start("daemon0", passing: passing)
            let loads = [SteadyLoad(.tcp(port: Self.port)), SteadyLoad(.tcp(port: Self.port + 2))]
            for generation in 1...3 {
                for load in loads { try await load.goOn() }
                #expect(try await daemon.end() == 0, "\(daemon.log.text())")
                // Asked while there is no daemon at all.
                async let answer = lab.sender.query(name, "socketmap:inet:127.0.0.1:\(Self.port):postfix")
                daemon = try await family.start("daemon\(generation)", passing: passing)
                #expect(try await answer?.hasPrefix("secure") == true)
            }
            for load in loads {
                try await load.goOn()
                let outcome = await load.stop()
                #expect(outcome.failures == [])
            }
            #expect(try await daemon.end() == 0)
        }

        @Test(arguments: [false, true])
        func `a second daemon that was a mistake takes no lookup and ends with 3`(isUnix: Bool) async throws {
            let lab = try Lab.running
            let family = try Family(lab, at: isUnix ? nil : "127.0.0.1:\(Self.port)")
            let daemon = try await family.start("daemon")
            let load = SteadyLoad(isUnix ? .unix(path: family.directory + "/socket") : .tcp(port: Self.port))
            let path = family.directory + "/second.yaml"
            try family.configuration().write(toFile: path, atomically: false, encoding: .utf8)
            let second = try await ChildProcess.run(
                BridgeProcess.binary(), ["serve", "--config", path, "--takeover-wait", "1s"])
            #expect(second.status == 3, "\(second.output)")
            let last = second.output.split(separator: "\n").last ?? ""
            #expect(
                last == "sts-bridge: Cache file \(family.cache) is in use by another process "
                    + "(pid \(daemon.identifier)). Stop that one, or set cache.path to another file.")
            #expect(!second.output.contains("debug lookup"))
            #expect(!second.output.contains(" error "), "\(second.output)")
            try await load.goOn()
            #expect(await load.stop().failures == [])
            #expect(try await family.operate("status").status == 0)
            #expect(try await daemon.end() == 0)
        }

        @Test(arguments: [false, true])
        func `a third daemon is refused at once, and the one that waits follows`(isUnix: Bool) async throws {
            let lab = try Lab.running
            let family = try Family(lab, at: isUnix ? nil : "127.0.0.1:\(Self.port)")
            let daemon = try await family.start("daemon")
            let load = SteadyLoad(isUnix ? .unix(path: family.directory + "/socket") : .tcp(port: Self.port))
            let heir = try await family.start("heir")
            try await family.told(heir, "another daemon is in charge")
            let third = try family.supervisor.start(family.configuration(), log: "third")
            #expect(try await third.wait() == 3)
            #expect(
                third.log.text() == "sts-bridge: Cache file \(family.cache) is in use, and another process "
                    + "(pid \(heir.identifier)) waits already to take it over. Stop one of them, or set cache.path to "
                    + "another file.\n")
            #expect(try await daemon.end() == 0)
            try await family.told(heir, "in charge now")
            try await load.goOn()
            #expect(await load.stop().failures == [])
            #expect(try await heir.end() == 0)
        }

        @Test func `a port of another cache's daemon, and a unix socket of one, are errors as ever`() async throws {
            let lab = try Lab.running
            let family = try Family(lab, at: "127.0.0.1:\(Self.port)")
            let daemon = try await family.start("daemon")
            let stranger = try Family(lab, at: "127.0.0.1:\(Self.port)")
            // Nothing else is in its way.
            let configuration = stranger.configuration().replacing("http:\n  listen: [127.0.0.1:8492]\n", with: "")
            let second = try stranger.supervisor.start(configuration)
            #expect(try await second.wait() == 3)
            #expect(
                second.log.text().hasPrefix("sts-bridge: cannot listen on \(family.address): Address already in use"),
                "\(second.log.text())")
            #expect(try await daemon.end() == 0)
        }
    }
}
