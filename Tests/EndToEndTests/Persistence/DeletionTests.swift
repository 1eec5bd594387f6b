import Foundation
import Testing

extension EndToEnd.Persistence {
    /// Files are removed while the daemon runs.
    @Suite struct DeletionTests {
        enum What: String, CaseIterable {
            case database, log, allFiles, directory

            func remove(_ cache: CacheFile) throws {
                let victims =
                    switch self {
                    case .database: [cache.path]
                    case .log: [cache.path + "-wal"]
                    case .allFiles: [cache.path, cache.path + "-wal", cache.path + "-shm", cache.path + ".lock"]
                    case .directory: [cache.directory]
                    }
                for victim in victims { try FileManager.default.removeItem(atPath: victim) }
            }
        }

        @Test(arguments: What.allCases)
        func `a removed file is created again, with the policies from before and after`(what: What) async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network)
            let (before, after) = (Crowd("before-\(what)", of: 30), Crowd("after-\(what)", of: 10))
            try await network.publish(before, after)
            let daemon = try await cache.serve { daemon in
                await cache.expectSecure(before.names)
                try what.remove(cache)
                await cache.expectSecure(after.names + before.names)
                try await daemon.eventuallyLogs("cache file works again")
                try await cache.eventuallyKeeps(before.names.count + after.names.count)
                try await daemon.kill()
            }
            #expect(daemon.logged("cache file error").count == 1, "\(daemon.logged("cache file"))")
            try await cache.expectIntegrity()
            try await cache.expectCached(before.names + after.names)
        }

        @Test func `a removed lock file disturbs nothing, and is created again`() async throws {
            let network = try TestNetwork.running
            let (cache, crowd) = (try CacheFile(network), Crowd("removed-lock", of: 10))
            try await network.publish(crowd)
            let daemon = try await cache.serve { daemon in
                try FileManager.default.removeItem(atPath: cache.path + ".lock")
                await cache.expectSecure(crowd.names)
                _ = try await eventually("the lock file is created again") {
                    cache.files.contains("policies.sqlite.lock") ? true : nil
                }
                try await daemon.kill()
            }
            #expect(daemon.logged("cache file error") == [])
            try await cache.expectCached(crowd.names)
        }

        @Test func `an old backup that is put back under the daemon is brought up to date`() async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network)
            let backup = Transfer(count: 20, zone: "backup.example")
            #expect(try await cache.command("cache", "import", input: backup.text).status == 0)
            try FileManager.default.moveItem(atPath: cache.path, toPath: cache.path + ".backup")
            let crowd = Crowd("after-backup", of: 20)
            try await network.publish(crowd)
            try await cache.serve { daemon in
                await cache.expectSecure(crowd.names)
                #expect(rename(cache.path + ".backup", cache.path) == 0)
                try await daemon.eventuallyLogs("cache file works again")
                try await cache.eventuallyKeeps(crowd.names.count + backup.names.count)
                try await daemon.kill()
            }
            try await cache.expectIntegrity()
            try await cache.expectCached(crowd.names + backup.names)
        }

        @Test func `a removed file is noticed though no new policy comes`() async throws {
            let network = try TestNetwork.running
            let (cache, crowd) = (try CacheFile(network), Crowd("removed-quietly", of: 10))
            try await network.publish(crowd)
            try await cache.serve { daemon in
                await cache.expectSecure(crowd.names)
                try What.allFiles.remove(cache)
                try await daemon.eventuallyLogs("cache file works again")
                try await cache.eventuallyKeeps(crowd.names.count)
                try await daemon.kill()
            }
            try await cache.expectCached(crowd.names)
        }

        @Test func `a file that is removed right before SIGTERM is written again`() async throws {
            let network = try TestNetwork.running
            let (cache, crowd) = (try CacheFile(network), Crowd("removed-late", of: 10))
            try await network.publish(crowd)
            let daemon = try await cache.serve { _ in
                await cache.expectSecure(crowd.names)
                try What.allFiles.remove(cache)
            }
            let isKept = cache.files.contains("policies.sqlite")
            #expect(isKept || !daemon.logged("changes not written").isEmpty, "never a silent forget: \(daemon.logged)")
        }
    }
}

extension CacheFile {
    /// Waits until so many policies are in the file.
    func eventuallyKeeps(_ count: Int) async throws {
        _ = try await eventually("\(count) policies are in the file") {
            try await sqlite("SELECT count(*) FROM policy") == "[(\(count),)]" ? true : nil
        }
    }
}
