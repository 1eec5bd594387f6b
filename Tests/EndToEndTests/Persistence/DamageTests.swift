import Foundation
import Testing

extension EndToEnd.Persistence {
    /// The file is not what it should be.
    @Suite struct DamageTests {
        @Test func `on a file of garbage mail goes on, loudly, and the garbage stays as it is`() async throws {
            let network = try TestNetwork.running
            let (cache, crowd) = (try CacheFile(network), Crowd("garbage", of: 10))
            try await network.publish(crowd)
            let garbage = Data((0..<20_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) })
            try garbage.write(to: URL(filePath: cache.path))
            let daemon = try await cache.serve { daemon in
                await cache.expectSecure(crowd.names)
                try await daemon.eventuallyLogs("cache file error")
                #expect(FileManager.default.contents(atPath: cache.path) == garbage)
            }
            #expect(daemon.logged("cache file error").count == 1, "\(daemon.logged("cache file"))")
            #expect(daemon.logged("move it away").count == 1)
            #expect(daemon.logged("changes not written").count == 1, "\(daemon.logged)")
        }

        @Test func `once the garbage is moved away, everything is kept`() async throws {
            let network = try TestNetwork.running
            let (cache, crowd) = (try CacheFile(network), Crowd("garbage-moved", of: 10))
            try await network.publish(crowd)
            try Data("no database at all\n".utf8).write(to: URL(filePath: cache.path))
            try await cache.serve { daemon in
                await cache.expectSecure(crowd.names)
                try await daemon.eventuallyLogs("cache file error")
                try FileManager.default.moveItem(atPath: cache.path, toPath: cache.path + ".away")
                try await daemon.eventuallyLogs("cache file works again")
                try await daemon.kill()
            }
            try await cache.expectCached(crowd.names)
        }

        @Test func `of a file with a damaged page the other pages are answered`() async throws {
            let network = try TestNetwork.running
            let (cache, fresh) = (try CacheFile(network), Crowd("damaged-fresh", of: 5))
            try await network.publish(fresh)
            let kept = Transfer(count: 1_000, zone: "damaged.example")
            let done = try await cache.command("cache", "import", input: kept.text)
            #expect(done.status == 0, "\(done.output)")
            let page = try #require(try await cache.pageOfRow(500))
            try cache.overwrite(page: page)
            var lost: [String] = []
            let cutOff = try await cache.serve(.cutOff) { daemon in
                let replies = await SocketmapClient.askAll(kept.names, port: CacheFile.port)
                lost = kept.names.filter { replies[$0] != secure(MXHost.good.name) }
                try await daemon.eventuallyLogs("cache file error")
            }
            // What a page of 4 KiB holds.
            #expect(!lost.isEmpty && lost.count < 40, "\(lost)")
            #expect(cutOff.logged("cache file error").count == 1, "\(cutOff.logged("cache file"))")
            try await cache.serve { _ in await cache.expectSecure(fresh.names) }
        }

        @Test func `a file of a newer version is not touched, and the daemon does not start`() async throws {
            let network = try TestNetwork.running
            let (cache, crowd) = (try CacheFile(network), Crowd("newer", of: 3))
            try await network.publish(crowd)
            try await cache.serve { _ in await cache.expectSecure(crowd.names) }
            _ = try await cache.sqlite("INSERT INTO grdb_migrations (identifier) VALUES ('999 of the future')")
            let before = FileManager.default.contents(atPath: cache.path)
            for command in [["serve"], ["cache", "export"], ["cache", "import"]] {
                let ended = try await cache.command(command)
                #expect(ended.status == 2)
                #expect(
                    ended.output == "sts-bridge: Cache file \(cache.path) was written by a newer sts-bridge and is not "
                        + "changed. Upgrade sts-bridge, or move the file away, or set cache.path to another file.\n")
            }
            #expect(FileManager.default.contents(atPath: cache.path) == before)
            // What reading makes beside it is empty.
            #expect(LogFile(path: cache.path + "-wal").end == 0)
        }
    }
}

extension CacheFile {
    /// The page that holds a row of the table, counted from 1.
    fileprivate func pageOfRow(_ number: Int) async throws -> Int? {
        let name = Data("d\(number).damaged.example".utf8)
        // The first place is in the table: a page of the table has the policy beside the name, a page of the index has not.
        let content = try #require(FileManager.default.contents(atPath: path))
        var from = content.startIndex
        while let found = content.range(of: name, in: from..<content.endIndex) {
            let page = found.lowerBound / 4_096
            let whole = content[(page * 4_096)..<min((page + 1) * 4_096, content.count)]
            if whole.range(of: Data("version: STSv1".utf8)) != nil { return page + 1 }
            from = found.upperBound
        }
        return nil
    }

    fileprivate func overwrite(page: Int) throws {
        let file = try FileHandle(forUpdating: URL(filePath: path))
        defer { try? file.close() }
        try file.seek(toOffset: UInt64((page - 1) * 4_096))
        try file.write(contentsOf: Data(repeating: 0xA5, count: 4_096))
    }
}
