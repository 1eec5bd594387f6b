import Foundation
import Testing

extension EndToEnd.Persistence {
    /// Other programs at the same file.
    @Suite struct Neighbours {
        @Test func `a second daemon on the file ends and disturbs nobody`() async throws {
            let lab = try Lab.running
            let (cache, crowd) = (try CacheFile(lab), Crowd("second-daemon", of: 20))
            try await lab.publish(crowd)
            try await cache.serve { first in
                await cache.expectSecure(Array(crowd.names.prefix(10)))
                let pid = try #require(await first.identifier)
                let second = try await cache.command("serve", "--takeover-wait", "0s")
                #expect(second.status == 3)
                let refusal =
                    "sts-bridge: Cache file \(cache.path) is in use by another process (pid \(pid)). "
                    + "Stop that one, or set cache.path to another file.\n"
                #expect(second.output.hasSuffix(refusal), "\(second.output)")
                await cache.expectSecure(crowd.names)
                #expect(first.told("archive") == [])
                try await first.kill()
            }
            try await cache.expectKept(crowd.names)
        }

        @Test func `while another program holds the file mail goes on, and nothing is lost`() async throws {
            let lab = try Lab.running
            let cache = try CacheFile(lab)
            let (before, meanwhile) = (Crowd("lock-before", of: 10), Crowd("lock-meanwhile", of: 20))
            try await lab.publish(before, meanwhile)
            let daemon = try await cache.serve { daemon in
                await cache.expectSecure(before.names)
                let holder = try await cache.holder("BEGIN EXCLUSIVE")
                await cache.expectSecure(meanwhile.names + before.names)
                try await daemon.eventuallyTold("archive failed")
                try await holder.end(with: SIGKILL)
                try await daemon.eventuallyTold("archive works again")
                try await daemon.kill()
            }
            #expect(daemon.told("archive failed").count == 1, "\(daemon.told("archive"))")
            #expect(daemon.told("Another program has it open").count == 1)
            try await cache.expectIntegrity()
            try await cache.expectKept(before.names + meanwhile.names)
        }

        /// So that not even reading works. That nobody waits long for it shows in that all, asked at once, are answered
        /// within `lookup.deadline`.
        @Test func `a daemon that starts while another program has the file to itself loads it later`() async throws {
            let lab = try Lab.running
            let cache = try CacheFile(lab)
            let (before, meanwhile) = (Crowd("held-before", of: 10), Crowd("held-meanwhile", of: 40))
            try await lab.publish(before, meanwhile)
            try await cache.serve { _ in await cache.expectSecure(before.names) }
            let holder = try await cache.holder("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE")
            let daemon = try await cache.serve { daemon in
                await cache.expectSecure(meanwhile.names, connections: 40)
                try await daemon.eventuallyTold("archive failed")
                try await holder.end(with: SIGKILL)
                try await daemon.eventuallyTold("policies loaded")
                try await daemon.eventuallyTold("archive works again")
                try await daemon.kill()
            }
            #expect(daemon.told("archive failed").count == 1, "\(daemon.told("archive"))")
            try await cache.expectKept(before.names + meanwhile.names)
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
        let log = LogFile(path: "\(lab.directory)/holder-\(UUID().uuidString.prefix(8)).log")
        let child = try ChildProcess("/usr/bin/env", ["python3", "-c", script, path] + statements, log: log)
        _ = try await eventually("the other program holds the file") {
            if child.status != nil { throw LabFailure("it ended: \(log.text())") }
            return log.text().contains("holding") ? true : nil
        }
        return child
    }
}
