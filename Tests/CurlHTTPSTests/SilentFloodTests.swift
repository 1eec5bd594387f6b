import Discovery
import Synchronization
import Testing

@testable import CurlHTTPS

extension AgainstNginx {
    /// Real silent sockets and a real TLS host: the flood of `FetchFairnessTests` at an eighth of its size, with 64 slots,
    /// 1,250 domains and 125 addresses.
    @Suite struct SilentFloodTests {
        let nginx: NginxFixture

        init() throws { nginx = try #require(NginxFixture.current) }

        private static let addresses = (0..<125).map { "127.1.\($0).1" }

        private func request(_ kind: SilentFlood, number: Int) throws -> PolicyRequest {
            let address = Self.addresses[kind == .oneAddress ? 0 : number % Self.addresses.count]
            return try PolicyRequest(nginx: "echo.site.test", at: [address], domain: kind.domain(number))
        }

        @Test(arguments: SilentFlood.allCases)
        func `first contacts and refreshes are answered within 2 s beside 1,250 silent domains`(
            kind: SilentFlood
        ) async throws {
            let peers = try Self.addresses.map { try TestPeer(.silent, address: $0, port: nginx.port) }
            defer { for peer in peers { peer.close() } }
            let waiting = Mutex(0)
            let (isFull, full) = AsyncStream<Void>.makeStream()
            let flood = try (0..<1_250).map { try request(kind, number: $0) }
            let fetcher = try nginx.fetcher(maximumInFlight: 64) { change in
                let count = waiting.withLock { count in
                    count += change.waiting + change.inFlight
                    return count
                }
                if count == flood.count { full.yield() }
            }
            let tasks = flood.map { request in Task { await fetcher.result(request) } }
            for await _ in isFull { break }
            for purpose in [FetchPurpose.firstContact, .cachedPolicy, .firstContact, .cachedPolicy] {
                let good = try PolicyRequest(nginx: "echo.site.test", domain: "good.test", purpose: purpose)
                let start = ContinuousClock.now
                #expect(await fetcher.result(good).failure == nil)
                #expect(.now - start < .seconds(2))
            }
            await fetcher.close()
            for task in tasks { #expect(await task.value.failure == .cancelled) }
            #expect(waiting.withLock(\.self) == 0)
        }
    }
}
