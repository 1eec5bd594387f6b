import Foundation
import Testing

extension EndToEnd.Persistence {
    /// Other programs at the same file.
    @Suite struct NeighbourTests {
        @Test func `a second daemon on the file answers the same, and neither loses a policy`() async throws {
            let network = try TestNetwork.running
            let (cache, crowd) = (try CacheFile(network), Crowd("second-daemon", of: 30))
            try await network.publish(crowd)
            try await cache.serve { first in
                await cache.expectSecure(Array(crowd.names.prefix(10)))
                let second = try await cache.serve { second in
                    try await second.eventuallyLogs("listening")
                    try await second.eventuallyLogs("another process uses the cache file")
                    try await first.eventuallyLogs("another process uses the cache file")
                    // New connections go to both.
                    await cache.expectSecure(crowd.names, connections: 16)
                }
                #expect(second.logged("cache file error") == [])
                try await first.eventuallyLogs("no other process uses the cache file")
                await cache.expectSecure(crowd.names)
                #expect(first.logged("cache file error") == [])
                try await first.kill()
            }
            try await cache.expectIntegrity()
            try await cache.expectCached(crowd.names)
        }

        @Test func `while another program holds the file mail goes on, and nothing is lost`() async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network)
            let (before, meanwhile) = (Crowd("lock-before", of: 10), Crowd("lock-meanwhile", of: 20))
            try await network.publish(before, meanwhile)
            let daemon = try await cache.serve { daemon in
                await cache.expectSecure(before.names)
                let holder = try await cache.holder("BEGIN EXCLUSIVE")
                await cache.expectSecure(meanwhile.names + before.names)
                try await daemon.eventuallyLogs("cache file error")
                try await holder.end(with: SIGKILL)
                try await daemon.eventuallyLogs("cache file works again")
                try await daemon.kill()
            }
            #expect(daemon.logged("cache file error").count == 1, "\(daemon.logged("cache file"))")
            #expect(daemon.logged("Another program has locked it").count == 1)
            try await cache.expectIntegrity()
            try await cache.expectCached(before.names + meanwhile.names)
        }

        /// Not even reading works then. No lookup waits long for it: all of them, at once, are answered
        /// within `lookup.deadline`.
        @Test func `a daemon that starts while another program has the file to itself loads it later`() async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network)
            let (before, meanwhile) = (Crowd("held-before", of: 10), Crowd("held-meanwhile", of: 40))
            try await network.publish(before, meanwhile)
            try await cache.serve { _ in await cache.expectSecure(before.names) }
            let holder = try await cache.holder("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE")
            let daemon = try await cache.serve { daemon in
                await cache.expectSecure(meanwhile.names, connections: 40)
                try await daemon.eventuallyLogs("cache file error")
                try await holder.end(with: SIGKILL)
                try await daemon.eventuallyLogs("policies loaded")
                try await daemon.eventuallyLogs("cache file works again")
                try await daemon.kill()
            }
            #expect(daemon.logged("cache file error").count == 1, "\(daemon.logged("cache file"))")
            try await cache.expectCached(before.names + meanwhile.names)
        }
    }
}

extension CacheFile {
    /// Another program that has done this with the file, until it is killed.
    func holder(_ statements: String...) async throws -> ChildProcess {
        let script = """
            import signal, sqlite3, sys
            connection = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
            for statement in sys.argv[2:]: connection.execute(statement)
            print("holding", flush=True)
            signal.pause()
            """
        let log = LogFile(path: "\(network.directory)/holder-\(UUID().uuidString.prefix(8)).log")
        let child = try ChildProcess("/usr/bin/env", arguments: ["python3", "-c", script, path] + statements, log: log)
        _ = try await eventually("the other program holds the file") {
            if child.status != nil { throw TestNetworkError("it ended: \(log.text())") }
            return log.text().contains("holding") ? true : nil
        }
        return child
    }
}
