import Foundation
import Testing

extension EndToEnd.Persistence {
    /// `cache export` and `cache import`, as an administrator moves to another host.
    @Suite struct TransferTests {
        @Test func `what one daemon knows another one answers, and exports alike`() async throws {
            let network = try TestNetwork.running
            let (here, there) = (try CacheFile(network), try CacheFile(network))
            let crowd = Crowd("export", of: 30)
            try await network.publish(crowd)
            try await here.serve { _ in
                await here.expectSecure(crowd.names)
                let done = try await here.command("cache", "export", here.directory + "/export")
                #expect(done.status == 0)
                #expect(done.output == "exported 30, skipped 0 expired and 0 unreadable\n")
            }
            let text = LogFile(path: here.directory + "/export").text()
            let imported = try await there.command("cache", "import", here.directory + "/export")
            #expect(imported.status == 0)
            #expect(imported.output == "imported 30, skipped 0 not newer than in the cache and 0 expired, rejected 0\n")
            try await there.expectCached(crowd.names)
            #expect(try await there.command("cache", "export", there.directory + "/export").status == 0)
            let again = LogFile(path: there.directory + "/export").text()
            #expect(Self.body(again) == Self.body(text))
            #expect(Self.body(text).count == 31)
        }

        @Test func `a daemon has the policies of an import that runs beside it`() async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network)
            let transfer = Transfer(count: 3, zone: "beside.example")
            try await cache.serve(.cutOff) { daemon in
                try await daemon.eventuallyLogs("listening")
                #expect(try await cache.command("cache", "import", input: transfer.text).status == 0)
                _ = try await eventually("the imported policies are answered") {
                    let replies = await SocketmapClient.askAll(transfer.names, port: CacheFile.port)
                    return Set(replies.values) == [secure(MXHost.good.name)] ? true : nil
                }
                try await daemon.kill()
            }
            try await cache.expectCached(transfer.names)
        }

        @Test func `of two fetches of a domain the later one stays`() async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network)
            let names = ["older.example"]
            let first = Transfer(names, fetchedAt: Date(timeIntervalSinceNow: -3_600))
            let older = Transfer(names, fetchedAt: Date(timeIntervalSinceNow: -7_200), mx: MXHost.second.name)
            let newer = Transfer(names, fetchedAt: Date(timeIntervalSinceNow: -60), mx: MXHost.second.name)
            #expect(try await cache.command("cache", "import", input: first.text).status == 0)
            let passed = try await cache.command("cache", "import", input: older.text)
            #expect(passed.status == 0)
            #expect(passed.output == "imported 0, skipped 1 not newer than in the cache and 0 expired, rejected 0\n")
            try await cache.expectCached(names)
            #expect(try await cache.command("cache", "import", input: newer.text).status == 0)
            try await cache.serve(.cutOff) { _ in
                let reply = try await SocketmapClient.ask(names[0], port: CacheFile.port)
                #expect(reply == secure(MXHost.second.name))
            }
        }

        @Test func `who stops reading an export gets one line and no success`() async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network)
            // Much more than a pipe holds.
            let transfer = Transfer(count: 2_000, zone: "pipe.example")
            #expect(try await cache.command("cache", "import", input: transfer.text).status == 0)
            let script = "\"$0\" cache export --config \"$1\" | head -c 10 > /dev/null; exit ${PIPESTATUS[0]}"
            let (status, output) = try await ChildProcess.run(
                "/bin/bash", arguments: ["-c", script, BridgeProcess.binary(), cache.configuration()])
            #expect(status == 3)
            #expect(output.hasSuffix("standard output: Broken pipe\n"), "\(output)")
            #expect(output.filter { $0 == "\n" }.count == 1, "\(output)")
        }

        @Test(arguments: [
            "", "\n", "<html>no</html>\n", "\u{0}\u{1}\u{2}", "[]\n", "{}\n", "version: STSv1\n",
            "{\"exported-at\":\"2026-01-01T00:00:00.000Z\",\"format\":\"sts-bridge-policies\",\"version\":1}\n",
        ])
        func `garbage is not imported, and is logged in one line`(garbage: String) async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network)
            let refused = try await cache.command("cache", "import", input: garbage)
            #expect(refused.status == 2)
            #expect(refused.output.hasSuffix("nothing was imported\n"), "\(refused.output)")
            #expect(refused.output.filter { $0 == "\n" }.count == 1, "\(refused.output)")
        }

        private static func body(_ export: String) -> ArraySlice<Substring> {
            export.split(separator: "\n").dropFirst()
        }
    }

    /// A file that takes long to load.
    @Suite struct Loading {
        @Test func `a domain that is not loaded yet is answered from the file`() async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network)
            let kept = Transfer(count: 20_000, zone: "many.example")
            let done = try await cache.command("cache", "import", input: kept.text)
            #expect(done.output == "imported 20000, skipped 0 not newer than in the cache and 0 expired, rejected 0\n")
            // They are loaded in the order in which they came.
            try await cache.serve(.cutOff) { daemon in
                await cache.expectSecure(kept.names.suffix(40).reversed(), connections: 40)
                try await daemon.eventuallyLogs("policies loaded policies=20000")
                await cache.expectSecure(stride(from: 0, to: 20_000, by: 50).map { kept.names[$0] })
                try await daemon.kill()
            }
        }
    }
}
