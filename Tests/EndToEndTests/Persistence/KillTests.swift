import Foundation
import Testing

extension EndToEnd.Persistence {
    /// The daemon ends in the ways in which daemons end.
    @Suite struct KillTests {
        /// After which answer of a round the daemon is killed.
        static let moments = [1, 20, 43, 71, 98, 117]

        @Test func `whatever was answered before a kill -9 is answered after it, round after round`() async throws {
            let network = try TestNetwork.running
            let cache = try CacheFile(network)
            let rounds = Self.moments.indices.map { Crowd("storm\($0)", of: 120) }
            try await network.publish(rounds.map(\.domain))
            var answered: [String] = []
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
                try await cache.expectCached(Array(replies.keys))
                answered += replies.keys
            }
            try await cache.expectIntegrity()
            try await cache.expectCached(answered)
        }

        /// Both daemons share the port, so each answers some of the lookups.
        @Test func `whatever two daemons on one file answered before a kill -9 of both is answered after it`()
            async throws
        {
            let network = try TestNetwork.running
            let cache = try CacheFile(network)
            let rounds = Self.moments.indices.map { Crowd("pair\($0)", of: 120) }
            try await network.publish(rounds.map(\.domain))
            var answered: [String] = []
            for (round, (moment, crowd)) in zip(Self.moments, rounds).enumerated() {
                var replies: [String: String] = [:]
                try await cache.serve { first in
                    try await cache.serve { second in
                        try await second.eventuallyLogs("listening")
                        let pair = [try #require(await first.identifier), try #require(await second.identifier)]
                        let (victim, survivor) = (pair[round % 2], pair[1 - round % 2])
                        replies = await SocketmapClient.askAll(
                            crowd.names, connections: 16, port: CacheFile.port
                        ) { count in
                            if count == moment { kill(victim, SIGKILL) }
                            if count == moment + 10 { kill(survivor, SIGKILL) }
                        }
                        try await second.kill()
                    }
                    try await first.kill()
                }
                #expect(replies.count >= moment)
                #expect(Set(replies.values) == [secure(MXHost.good.name)])
                try await cache.expectCached(Array(replies.keys))
                answered += replies.keys
            }
            try await cache.expectIntegrity()
            try await cache.expectCached(answered)
        }

        /// One daemon is killed again and again while the other one goes on.
        @Test func `the kill -9 of one daemon takes nothing from the other one`() async throws {
            let network = try TestNetwork.running
            let (cache, crowd) = (try CacheFile(network), Crowd("survivor", of: 90))
            try await network.publish(crowd)
            try await cache.serve { survivor in
                for round in 0..<3 {
                    try await cache.serve { victim in
                        try await victim.eventuallyLogs("listening")
                        let identifier = try #require(await victim.identifier)
                        let names = Array(crowd.names[(round * 30)..<(round * 30 + 30)])
                        _ = await SocketmapClient.askAll(names, connections: 16, port: CacheFile.port) { count in
                            if count == 10 { kill(identifier, SIGKILL) }
                        }
                        try await victim.kill()
                    }
                }
                await cache.expectSecure(crowd.names)
                #expect(survivor.logged("cache file error") == [])
                try await survivor.kill()
            }
            try await cache.expectIntegrity()
            try await cache.expectCached(crowd.names)
        }

        @Test func `SIGTERM leaves everything in one file`() async throws {
            let network = try TestNetwork.running
            let (cache, crowd) = (try CacheFile(network), Crowd("term", of: 50))
            try await network.publish(crowd)
            try await cache.serve { _ in await cache.expectSecure(crowd.names) }
            #expect(cache.files == ["policies.sqlite", "policies.sqlite.lock"])
            try await cache.expectIntegrity()
            try await cache.expectCached(crowd.names)
        }

        /// What is published has to be asked for then, of servers that say nothing.
        @Test func `a cached policy is answered when its record is stale and DNS is silent`() async throws {
            let network = try TestNetwork.running
            let (cache, crowd) = (try CacheFile(network), Crowd("stale", of: 4))
            try await network.publish(crowd)
            try await cache.serve { _ in await cache.expectSecure(crowd.names) }
            _ = try await cache.sqlite("UPDATE policy SET record_at = record_at - 7200000")
            for server in [SilentAddresses.closed, SilentAddresses.resolver] {
                try await cache.expectCached(crowd.names, surroundings: BridgeEnvironment(servers: [server]))
            }
        }
    }
}
