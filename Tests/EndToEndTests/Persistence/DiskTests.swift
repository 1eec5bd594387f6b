import Foundation
import Testing

extension EndToEnd.Persistence {
    /// The file system is full, or cannot be written.
    @Suite struct DiskTests {
        @Test func `on a full disk mail goes on, and new policies are written once there is space`() async throws {
            let network = try TestNetwork.running
            let (before, meanwhile) = (Crowd("disk-before", of: 20), Crowd("disk-full", of: 40))
            try await network.publish(before, meanwhile)
            try await SmallDisk.mounted(in: network) { disk in
                let cache = try CacheFile(network, in: disk.directory)
                try await cache.serve { daemon in
                    await cache.expectSecure(before.names)
                    try disk.fill()
                    await cache.expectSecure(meanwhile.names)
                    try await daemon.eventuallyLogs("cache file error")
                    // Tried again meanwhile, and not logged again.
                    try await throughout(.seconds(4)) { #expect(daemon.logged("cache file").count == 1) }
                    #expect(daemon.logged("Free space").count == 1)
                    try disk.free()
                    try await daemon.eventuallyLogs("cache file works again")
                    #expect(daemon.logged("cache file error").count == 1, "\(daemon.logged("cache file"))")
                    try await daemon.kill()
                }
                try await cache.expectIntegrity()
                try await cache.expectCached(before.names + meanwhile.names)
            }
        }

        @Test func `a daemon that starts on a full disk writes everything once there is space`() async throws {
            let network = try TestNetwork.running
            let crowd = Crowd("disk-full-first", of: 20)
            try await network.publish(crowd)
            try await SmallDisk.mounted(in: network) { disk in
                let cache = try CacheFile(network, in: disk.directory)
                try disk.fill()
                try await cache.serve { daemon in
                    await cache.expectSecure(crowd.names)
                    try await daemon.eventuallyLogs("cache file error")
                    try disk.free()
                    try await daemon.eventuallyLogs("cache file works again")
                    #expect(daemon.logged("cache file error").count == 1, "\(daemon.logged("cache file"))")
                    try await daemon.kill()
                }
                try await cache.expectCached(crowd.names)
            }
        }

        @Test func `SIGTERM on a full disk ends with 0 and says what is lost`() async throws {
            let network = try TestNetwork.running
            let (before, meanwhile) = (Crowd("disk-before-term", of: 5), Crowd("disk-full-term", of: 5))
            try await network.publish(before, meanwhile)
            try await SmallDisk.mounted(in: network) { disk in
                let cache = try CacheFile(network, in: disk.directory)
                let daemon = try await cache.serve { _ in
                    await cache.expectSecure(before.names)
                    try disk.fill()
                    await cache.expectSecure(meanwhile.names)
                }
                #expect(daemon.logged("changes not written").count == 1, "\(daemon.logged)")
                #expect(daemon.logged.last == "info stopped")
                try await cache.expectCached(before.names)
            }
        }

        @Test(arguments: [SIGTERM, SIGKILL])
        func `what lies on a read-only file system is answered`(ending: Int32) async throws {
            let network = try TestNetwork.running
            let (kept, fresh) = (Crowd("read-only-\(ending)", of: 30), Crowd("read-only-fresh-\(ending)", of: 5))
            try await network.publish(kept, fresh)
            try await SmallDisk.mounted(in: network) { disk in
                let cache = try CacheFile(network, in: disk.directory)
                try await cache.serve { daemon in
                    await cache.expectSecure(kept.names)
                    if ending == SIGKILL { try await daemon.kill() }
                }
                try await disk.makeReadOnly()
                let cutOff = try await cache.expectCached(kept.names)
                #expect(cutOff.logged("cache file error").count == 1, "\(cutOff.logged)")
                let daemon = try await cache.serve { daemon in
                    await cache.expectSecure(fresh.names + kept.names)
                    try await daemon.eventuallyLogs("cache file error")
                }
                #expect(daemon.logged("cache file error").count == 1, "\(daemon.logged("cache file"))")
                #expect(daemon.logged("cache file error").first?.contains("read and write it") == true)
            }
        }
    }
}
