import Foundation
import Testing

extension EndToEnd.Persistence {
    /// Commands that root runs leave files that the daemon can use.
    @Suite struct OwnerTests {
        private static let (user, group) = (65_534, 65_533)

        /// A directory of the daemon's user.
        private func directory(_ network: TestNetwork) throws -> String {
            let directory = "\(network.directory)/owned-\(UUID().uuidString.prefix(8))"
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true,
                attributes: [.ownerAccountID: Self.user, .groupOwnerAccountID: Self.group])
            return directory
        }

        private func expectOwned(_ cache: CacheFile) throws {
            for file in cache.files {
                let attributes = try FileManager.default.attributesOfItem(atPath: cache.directory + "/" + file)
                #expect(attributes[.ownerAccountID] as? Int == Self.user, "\(file)")
                #expect(attributes[.groupOwnerAccountID] as? Int == Self.group, "\(file)")
            }
        }

        @Test func `what root imports before the first start belongs to the directory's owner`() async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network, in: try directory(network))
            let transfer = Transfer(count: 3, zone: "owner.example")
            let imported = try await cache.command("cache", "import", input: transfer.text)
            #expect(imported.status == 0, "\(imported.output)")
            #expect(cache.files.contains("policies.sqlite") && cache.files.contains("policies.sqlite.lock"))
            try expectOwned(cache)
            #expect(try await cache.command("cache", "export").output.contains("d0.owner.example"))
            try expectOwned(cache)
        }

        @Test func `commands of root that only read make nothing, and change no owner`() async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network, in: try directory(network))
            let reading = [
                ["config", "check"], ["config", "print"], ["cache", "export"], ["query", "x.owner.example"],
                ["doctor", "--domain", "x.owner.example"],
            ]
            for command in reading {
                _ = try await cache.command(command)
                #expect(cache.files == [], "\(command)")
            }
            let imported = try await cache.command(
                "cache", "import", input: Transfer(count: 1, zone: "read.example").text)
            #expect(imported.status == 0, "\(imported.output)")
            for command in reading {
                _ = try await cache.command(command)
                try expectOwned(cache)
            }
        }

        @Test func `a daemon that root starts by hand leaves files that the daemon's user can use`() async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network, in: try directory(network))
            try await cache.serve { _ in
                _ = try await eventually("the file is open") {
                    cache.files.contains("policies.sqlite-wal") ? true : nil
                }
                try expectOwned(cache)
            }
            try expectOwned(cache)
        }

        @Test func `a daemon that root starts by hand makes the directory for the owner of the one above`() async throws
        {
            let network = try TestNetwork.running
            let cache = try CacheFile(network, in: try directory(network) + "/cache")
            try FileManager.default.removeItem(atPath: cache.directory)
            try await cache.serve { _ in
                _ = try await eventually("the file is open") {
                    cache.files.contains("policies.sqlite-wal") ? true : nil
                }
            }
            try expectOwned(cache)
            let attributes = try FileManager.default.attributesOfItem(atPath: cache.directory)
            #expect(attributes[.ownerAccountID] as? Int == Self.user)
            #expect(attributes[.groupOwnerAccountID] as? Int == Self.group)
        }

        /// The daemon's group may write a directory of root's.
        @Test(arguments: [false, true])
        func `what root imports into a directory of the daemon's group can be used by that group`(
            hasDatabase: Bool
        ) async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network, in: try directory(network))
            let transfer = Transfer(count: 3, zone: "group.example")
            if hasDatabase {
                #expect(try await cache.command("cache", "import", input: transfer.text).status == 0)
                try FileManager.default.removeItem(atPath: cache.path + ".lock")
            }
            try FileManager.default.setAttributes(
                [.ownerAccountID: 0, .posixPermissions: 0o2770], ofItemAtPath: cache.directory)
            let imported = try await cache.command("cache", "import", input: transfer.text)
            #expect(imported.status == 0, "\(imported.output)")
            for file in cache.files {
                let attributes = try FileManager.default.attributesOfItem(atPath: cache.directory + "/" + file)
                #expect(attributes[.ownerAccountID] as? Int == (hasDatabase ? Self.user : 0), "\(file)")
                #expect(attributes[.groupOwnerAccountID] as? Int == Self.group, "\(file)")
                if !hasDatabase { #expect(attributes[.posixPermissions] as? Int == 0o660, "\(file)") }
            }
        }

        @Test func `an import as root makes no directory, and says how to make it`() async throws {
            let network = try TestNetwork.running
            let parent = "\(network.directory)/ownerless-\(UUID().uuidString.prefix(8))"
            let cache = try CacheFile(network, in: parent + "/cache")
            try FileManager.default.removeItem(atPath: cache.directory)
            let refused = try await cache.command("cache", "import", input: Transfer(count: 1, zone: "x.example").text)
            #expect(refused.status == 2)
            #expect(refused.output.contains("install -d -m 0750 -o sts-bridge -g sts-bridge \(cache.directory)"))
            #expect(!FileManager.default.fileExists(atPath: cache.directory))
        }
    }
}
