import Foundation
import Testing

extension EndToEnd.Persistence {
    /// The file system is full, or cannot be written.
    @Suite struct Disks {
        @Test func `on a full disk mail goes on, and what is learnt is kept once there is room`() async throws {
            let lab = try Lab.running
            let (before, meanwhile) = (Crowd("disk-before", of: 20), Crowd("disk-full", of: 40))
            try await lab.publish(before, meanwhile)
            try await SmallDisk.mounted(in: lab) { disk in
                let cache = try CacheFile(lab, in: disk.directory)
                try await cache.serve { daemon in
                    await cache.expectSecure(before.names)
                    try disk.fill()
                    await cache.expectSecure(meanwhile.names)
                    try await daemon.eventuallyTold("archive failed")
                    // Tried again meanwhile, and not told again.
                    try await throughout(.seconds(4)) { #expect(daemon.told("archive").count == 1) }
                    #expect(daemon.told("Free space").count == 1)
                    try disk.free()
                    try await daemon.eventuallyTold("archive works again")
                    #expect(daemon.told("archive failed").count == 1, "\(daemon.told("archive"))")
                    try await daemon.kill()
                }
                try await cache.expectIntegrity()
                try await cache.expectKept(before.names + meanwhile.names)
            }
        }

        @Test func `a daemon that starts on a full disk keeps everything once there is room`() async throws {
            let lab = try Lab.running
            let crowd = Crowd("disk-full-first", of: 20)
            try await lab.publish(crowd)
            try await SmallDisk.mounted(in: lab) { disk in
                let cache = try CacheFile(lab, in: disk.directory)
                try disk.fill()
                try await cache.serve { daemon in
                    await cache.expectSecure(crowd.names)
                    try await daemon.eventuallyTold("archive failed")
                    try disk.free()
                    try await daemon.eventuallyTold("archive works again")
                    #expect(daemon.told("archive failed").count == 1, "\(daemon.told("archive"))")
                    try await daemon.kill()
                }
                try await cache.expectKept(crowd.names)
            }
        }

        @Test func `SIGTERM on a full disk ends with 0 and says what is lost`() async throws {
            let lab = try Lab.running
            let (before, meanwhile) = (Crowd("disk-before-term", of: 5), Crowd("disk-full-term", of: 5))
            try await lab.publish(before, meanwhile)
            try await SmallDisk.mounted(in: lab) { disk in
                let cache = try CacheFile(lab, in: disk.directory)
                let daemon = try await cache.serve { _ in
                    await cache.expectSecure(before.names)
                    try disk.fill()
                    await cache.expectSecure(meanwhile.names)
                }
                #expect(daemon.told("policies not kept").count == 1, "\(daemon.told)")
                #expect(daemon.told.last == "info stopped")
                try await cache.expectKept(before.names)
            }
        }

        @Test(arguments: [SIGTERM, SIGKILL])
        func `what lies on a read-only file system is answered`(ending: Int32) async throws {
            let lab = try Lab.running
            let (kept, fresh) = (Crowd("read-only-\(ending)", of: 30), Crowd("read-only-fresh-\(ending)", of: 5))
            try await lab.publish(kept, fresh)
            try await SmallDisk.mounted(in: lab) { disk in
                let cache = try CacheFile(lab, in: disk.directory)
                try await cache.serve { daemon in
                    await cache.expectSecure(kept.names)
                    if ending == SIGKILL { try await daemon.kill() }
                }
                try await disk.makeReadOnly()
                let cutOff = try await cache.expectKept(kept.names)
                #expect(cutOff.told("archive failed").count == 1, "\(cutOff.told)")
                let daemon = try await cache.serve { daemon in
                    await cache.expectSecure(fresh.names + kept.names)
                    try await daemon.eventuallyTold("archive failed")
                }
                #expect(daemon.told("archive failed").count == 1, "\(daemon.told("archive"))")
                #expect(daemon.told("archive failed").first?.contains("read and write it") == true)
            }
        }
    }
}
