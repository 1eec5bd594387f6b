import Foundation
import Testing

extension EndToEnd.Persistence {
    /// Somebody cleans up under the running daemon.
    @Suite struct Deletions {
        enum What: String, CaseIterable {
            case database, log, lock, allFiles, directory

            func remove(_ cache: CacheFile) throws {
                let victims =
                    switch self {
                    case .database: [cache.path]
                    case .log: [cache.path + "-wal"]
                    case .lock: [cache.path + ".lock"]
                    case .allFiles: [cache.path, cache.path + "-wal", cache.path + "-shm", cache.path + ".lock"]
                    case .directory: [cache.directory]
                    }
                for victim in victims { try FileManager.default.removeItem(atPath: victim) }
            }
        }

        @Test(arguments: What.allCases)
        func `a removed file is begun anew, with what was learnt before and after`(what: What) async throws {
            let lab = try Lab.running
            let cache = try CacheFile(lab)
            let (before, after) = (Crowd("before-\(what)", of: 30), Crowd("after-\(what)", of: 10))
            try await lab.publish(before, after)
            let daemon = try await cache.serve { daemon in
                await cache.expectSecure(before.names)
                try what.remove(cache)
                await cache.expectSecure(after.names + before.names)
                try await daemon.eventuallyTold("archive works again")
                try await cache.eventuallyKeeps(before.names.count + after.names.count)
                try await daemon.kill()
            }
            #expect(daemon.told("archive failed").count == 1, "\(daemon.told("archive"))")
            try await cache.expectIntegrity()
            try await cache.expectKept(before.names + after.names)
        }

        @Test func `an old backup that is put back under the daemon is brought up to date`() async throws {
            let lab = try Lab.running
            let cache = try CacheFile(lab)
            let backup = Transfer(count: 20, zone: "backup.example")
            #expect(try await cache.command("cache", "import", input: backup.text).status == 0)
            try FileManager.default.moveItem(atPath: cache.path, toPath: cache.path + ".backup")
            let crowd = Crowd("after-backup", of: 20)
            try await lab.publish(crowd)
            try await cache.serve { daemon in
                await cache.expectSecure(crowd.names)
                #expect(rename(cache.path + ".backup", cache.path) == 0)
                try await daemon.eventuallyTold("archive works again")
                try await cache.eventuallyKeeps(crowd.names.count + backup.names.count)
                try await daemon.kill()
            }
            try await cache.expectIntegrity()
            try await cache.expectKept(crowd.names + backup.names)
        }

        @Test func `a removed file is noticed though nothing new is learnt`() async throws {
            let lab = try Lab.running
            let (cache, crowd) = (try CacheFile(lab), Crowd("removed-quietly", of: 10))
            try await lab.publish(crowd)
            try await cache.serve { daemon in
                await cache.expectSecure(crowd.names)
                try What.allFiles.remove(cache)
                try await daemon.eventuallyTold("archive works again")
                try await cache.eventuallyKeeps(crowd.names.count)
                try await daemon.kill()
            }
            try await cache.expectKept(crowd.names)
        }

        @Test func `a file that is removed right before SIGTERM is written again`() async throws {
            let lab = try Lab.running
            let (cache, crowd) = (try CacheFile(lab), Crowd("removed-late", of: 10))
            try await lab.publish(crowd)
            let daemon = try await cache.serve { _ in
                await cache.expectSecure(crowd.names)
                try What.allFiles.remove(cache)
            }
            let isKept = cache.files.contains("policies.sqlite")
            #expect(isKept || !daemon.told("policies not kept").isEmpty, "never a silent forget: \(daemon.told)")
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
