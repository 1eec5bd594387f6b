import Foundation
import Testing

extension EndToEnd.Persistence {
    /// The daemon ends in the ways in which daemons end.
    @Suite struct Ends {
        /// After which answer of a round the daemon is killed.
        static let moments = [1, 20, 43, 71, 98, 117]

        @Test func `whatever was answered before a kill -9 is answered after it, round after round`() async throws {
            let lab = try Lab.running
            let cache = try CacheFile(lab)
            let rounds = Self.moments.indices.map { Crowd("storm\($0)", of: 120) }
            try await lab.publish(rounds.map(\.domain))
            var heard: [String] = []
            for (moment, crowd) in zip(Self.moments, rounds) {
                var replies: [String: String] = [:]
                try await cache.serve { daemon in
                    let identifier = try #require(await daemon.identifier)
                    replies = await SocketmapClient.askAll(crowd.names, port: CacheFile.port) { count in
                        if count == moment { kill(identifier, SIGKILL) }
                    }
                    try await daemon.kill()
                }
                #expect(replies.count >= moment)
                #expect(Set(replies.values) == [secure(MXHost.good.name)])
                try await cache.expectKept(Array(replies.keys))
                heard += replies.keys
            }
            try await cache.expectIntegrity()
            try await cache.expectKept(heard)
        }

        @Test func `SIGTERM leaves everything in one file`() async throws {
            let lab = try Lab.running
            let (cache, crowd) = (try CacheFile(lab), Crowd("term", of: 50))
            try await lab.publish(crowd)
            try await cache.serve { _ in await cache.expectSecure(crowd.names) }
            #expect(cache.files == ["policies.sqlite", "policies.sqlite.lock"])
            try await cache.expectIntegrity()
            try await cache.expectKept(crowd.names)
        }

        /// What is published has to be asked for then, of servers that say nothing.
        @Test func `a kept policy is answered when its record is stale and DNS is silent`() async throws {
            let lab = try Lab.running
            let (cache, crowd) = (try CacheFile(lab), Crowd("stale", of: 4))
            try await lab.publish(crowd)
            try await cache.serve { _ in await cache.expectSecure(crowd.names) }
            _ = try await cache.sqlite("UPDATE policy SET record_at = record_at - 7200000")
            for server in [Silence.nobody, Silence.resolver] {
                try await cache.expectKept(crowd.names, surroundings: Surroundings(servers: [server]))
            }
        }
    }
}
