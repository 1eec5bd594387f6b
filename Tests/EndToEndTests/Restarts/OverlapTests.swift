import Foundation
import Testing

extension EndToEnd {
    /// Several daemons run at once on one cache file and one address, and no lookup is lost.
    @Suite struct OverlapTests {
        private static let port: UInt16 = 8491

        /// The daemons of one test: one cache file, one address.
        private struct Family {
            let network: TestNetwork
            let directory: String
            let address: String
            let supervisor: Supervisor

            init(_ network: TestNetwork, at address: String? = nil) throws {
                self.network = network
                directory = "\(network.directory)/family-\(UUID().uuidString.prefix(8))"
                supervisor = try Supervisor(in: directory)
                self.address = address ?? "unix:\(directory)/socket"
            }

            var cache: String { directory + "/policies.sqlite" }
            var isUnix: Bool { address.hasPrefix("unix:") }

            /// As in main.cf.
            var table: String {
                isUnix ? "socketmap:\(address):postfix" : "socketmap:inet:\(address):postfix"
            }

            var load: SteadyLoad {
                isUnix
                    ? SteadyLoad(.unix(path: directory + "/socket"))
                    : SteadyLoad(.tcp(port: OverlapTests.port), reconnects: true)
            }

            func configuration(
                _ environment: BridgeEnvironment = BridgeEnvironment(), http: Bool = true
            ) -> String {
                "listen:\n  socketmap: [\"\(address)\"]\n  tcp-table: []\n  socket-group: \"\"\n"
                    + environment.configuration(trusting: network.authority, in: directory)
                    + (http ? "http:\n  listen: [127.0.0.1:8492]\n" : "")
            }

            func start(_ name: String, passing: [(String, Int32)] = []) async throws -> ChildProcess {
                let daemon = try supervisor.start(configuration(), passing: passing, log: name)
                try await expect("listening", inLogOf: daemon)
                return daemon
            }

            func expect(_ message: String, inLogOf daemon: ChildProcess) async throws {
                _ = try await eventually("\(daemon.log.path) has: \(message)") {
                    if let status = daemon.status {
                        throw TestNetworkError("ended with \(status): \(daemon.log.text())")
                    }
                    return daemon.log.text().contains(message) ? true : nil
                }
            }

            /// A command to the daemon at the admin socket.
            func operate(_ arguments: String...) async throws -> (status: Int32, output: String) {
                let path = "\(directory)/operator.yaml"
                try configuration().write(toFile: path, atomically: true, encoding: .utf8)
                return try await ChildProcess.run(BridgeProcess.binary(), arguments: arguments + ["--config", path])
            }
        }

        private func family(_ network: TestNetwork, isUnix: Bool) throws -> Family {
            try Family(network, at: isUnix ? nil : "127.0.0.1:\(Self.port)")
        }

        /// `postmap -q` without a pause until the task is cancelled.
        ///
        /// - Returns: the number of answers. The first failure is thrown.
        private func askContinuously(_ name: String, family: Family) async throws -> Int {
            var count = 0
            while !Task.isCancelled {
                do {
                    guard try await family.network.sender.query(name, table: family.table) != nil else {
                        throw TestNetworkError("\(name) is not found")
                    }
                    count += 1
                } catch is CancellationError {
                    // The query that the end of the test interrupts is no failure.
                    break
                }
            }
            return count
        }

        @Test(arguments: [false, true])
        func `five upgrades under load lose no lookup and no policy`(isUnix: Bool) async throws {
            let network = try TestNetwork.running
            let crowd = Crowd(isUnix ? "overlap-unix" : "overlap-tcp", of: 11)
            try await network.publish(crowd)
            let family = try family(network, isUnix: isUnix)
            var current = try await family.start("daemon0")
            let load = family.load
            let postmap = Task { try await self.askContinuously(crowd.names[10], family: family) }
            for generation in 1...5 {
                try await load.continueLoad()
                let next = try await family.start("daemon\(generation)")
                // Either of them may answer.
                try await load.continueLoad()
                for name in [crowd.names[2 * generation - 2], crowd.names[2 * generation - 1]] {
                    #expect(try await network.sender.query(name, table: family.table)?.hasPrefix("secure") == true)
                }
                #expect(try await current.end() == 0, "\(current.log.text())")
                try await family.expect("no other process uses the cache file", inLogOf: next)
                try await family.expect("protocol=admin", inLogOf: next)
                try await family.expect("protocol=http", inLogOf: next)
                #expect(try await family.operate("status").status == 0)
                current = next
            }
            try await load.continueLoad()
            postmap.cancel()
            #expect(try await postmap.value > 20)
            let outcome = await load.stop()
            #expect(outcome.failures == [])
            #expect(outcome.answered > 5_000)
            try await current.end(with: SIGKILL)
            // Whichever daemon fetched a policy.
            try await CacheFile(network, in: family.directory).expectCached(crowd.names)
        }

        @Test func `sockets that a supervisor holds lose no lookup in five restarts`() async throws {
            let network = try TestNetwork.running
            let name = "activated.example"
            try await network.publish(TestDomain(name, policy: Policy.enforce()))
            let family = try Family(network, at: "systemd:table")
            let sockets = [try Supervisor.listening(port: Self.port), try Supervisor.listening(port: Self.port + 2)]
            defer { sockets.forEach { close($0) } }
            let passing = sockets.map { ("table", $0) }
            var daemon = try await family.start("daemon0", passing: passing)
            let loads = [SteadyLoad(.tcp(port: Self.port)), SteadyLoad(.tcp(port: Self.port + 2))]
            for generation in 1...5 {
                for load in loads { try await load.continueLoad() }
                #expect(try await daemon.end() == 0, "\(daemon.log.text())")
                // Asked while there is no daemon at all.
                async let answer = network.sender.query(name, table: "socketmap:inet:127.0.0.1:\(Self.port):postfix")
                daemon = try await family.start("daemon\(generation)", passing: passing)
                #expect(try await answer?.hasPrefix("secure") == true)
            }
            for load in loads {
                try await load.continueLoad()
                let outcome = await load.stop()
                #expect(outcome.failures == [])
            }
            #expect(try await daemon.end() == 0)
        }

        @Test(arguments: [false, true])
        func `a second daemon by mistake is harmless: both answer, and status and logs show it`(
            isUnix: Bool
        ) async throws {
            let network = try TestNetwork.running
            let name = isUnix ? "mistake-unix.example" : "mistake-tcp.example"
            try await network.publish(TestDomain(name, policy: Policy.enforce()))
            let family = try family(network, isUnix: isUnix)
            let first = try await family.start("first")
            let load = family.load
            #expect(try await network.sender.query(name, table: family.table)?.hasPrefix("secure") == true)
            let second = try await family.start("second")
            for (daemon, other) in [(first, second), (second, first)] {
                try await family.expect(
                    "another process uses the cache file processes=\(other.identifier)", inLogOf: daemon)
            }
            try await load.continueLoad()
            try await family.expect("protocol=admin", inLogOf: second)
            let status = try await family.operate("status")
            #expect(status.status == 0)
            #expect(status.output.contains("another process uses the cache file (pid \(first.identifier))"))
            #expect(!second.log.text().contains(" error "), "\(second.log.text())")

            // An override through the admin socket of the second one is in force in both.
            let exempted = try await family.operate("exempt", "add", name, "--reason", "test")
            #expect(exempted.status == 0, "\(exempted.output)")
            _ = try await eventually("no daemon has a policy for \(name)") { () async throws -> Bool? in
                for _ in 0..<12 {
                    if try await network.sender.query(name, table: family.table) != nil { return nil }
                }
                return true
            }

            // The end of the second one is harmless too.
            #expect(try await second.end() == 0, "\(second.log.text())")
            try await family.expect("no other process uses the cache file", inLogOf: first)
            try await load.continueLoad()
            #expect(await load.stop().failures == [])
            _ = try await eventually("the first daemon has the admin socket again") {
                try await family.operate("status").status == 0 ? true : nil
            }
            #expect(try await network.sender.query(name, table: family.table) == nil)
            #expect(try await first.end() == 0)
        }

        @Test func `a forgotten policy is forgotten by the other daemon too`() async throws {
            let network = try TestNetwork.running
            let name = "forgotten-twice.example"
            try await network.publish(TestDomain(name, policy: Policy.enforce()))
            let family = try family(network, isUnix: true)
            let first = try await family.start("first")
            #expect(try await network.sender.query(name, table: family.table)?.hasPrefix("secure") == true)
            let second = try await family.start("second")
            try await family.expect("protocol=admin", inLogOf: second)
            try await family.expect("another process uses the cache file", inLogOf: first)
            #expect(try await family.operate("cache", "forget", name).status == 0)
            // The first daemon fetches it again at the next lookup, once it has seen that.
            #expect(try await second.end() == 0)
            try await family.expect("no other process uses the cache file", inLogOf: first)
            #expect(try await network.sender.query(name, table: family.table)?.hasPrefix("secure") == true)
            let fetched = first.log.text().components(separatedBy: "new policy domain=\(name)").count - 1
            #expect(fetched == 2, "\(first.log.text())")
            #expect(try await first.end() == 0)
        }

        @Test(arguments: [false, true])
        func `an address of another user's daemon is an error that names it`(isUnix: Bool) async throws {
            let network = try TestNetwork.running
            let family = try family(network, isUnix: isUnix)
            let daemon = try await family.start("daemon")
            // Another cache file, and nothing else in the way.
            let other = try Family(network, at: family.address).configuration(http: false)
            let otherUser = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            let second = try family.supervisor.start(
                other, program: otherUser + [try network.openBinary()], log: "other")
            #expect(try await second.wait() == 3)
            let reason =
                isUnix ? "a process of another user listens on this socket" : "Address already in use; stop the other"
            #expect(
                second.log.text().contains("sts-bridge: cannot listen on \(family.address): \(reason)"),
                "\(second.log.text())")
            #expect(try await daemon.end() == 0)
        }

        /// It locks the whole lock file and has its process id in it.
        @Test func `a daemon of the build before may run on the same cache file`() async throws {
            let network = try TestNetwork.running
            let crowd = Crowd("earlier-build", of: 4)
            try await network.publish(crowd)
            let family = try family(network, isUnix: true)
            let script = """
                import fcntl, os, signal, sys
                file = open(sys.argv[1], "w+")
                fcntl.flock(file, fcntl.LOCK_EX)
                print(os.getpid(), file=file, flush=True)
                print("holding", flush=True)
                signal.pause()
                """
            let log = LogFile(path: "\(family.directory)/earlier.log")
            let earlier = try ChildProcess(
                "/usr/bin/env", arguments: ["python3", "-c", script, family.cache + ".lock"], log: log)
            _ = try await eventually("the earlier build has its lock") { log.text().contains("holding") ? true : nil }
            let daemon = try await family.start("daemon")
            try await family.expect(
                "another process uses the cache file processes=\(earlier.identifier)", inLogOf: daemon)
            for name in crowd.names {
                #expect(try await network.sender.query(name, table: family.table)?.hasPrefix("secure") == true)
            }
            try await earlier.end(with: SIGKILL)
            try await family.expect("no other process uses the cache file", inLogOf: daemon)
            #expect(try await daemon.end() == 0)
            try await CacheFile(network, in: family.directory).expectCached(crowd.names)
        }
    }
}
