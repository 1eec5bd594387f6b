import Discovery
import Testing

@testable import CurlHTTPS

extension AgainstNginx {
    /// Which address is dialled, for how long, and what a peer that is no policy host does to it.
    @Suite struct CurlTransferTests {
        let lab: Laboratory

        init() throws { lab = try #require(Laboratory.current) }

        /// A plain TCP server on the laboratory's port at another address, while `body` runs.
        private func withPeer<R>(
            _ manner: TestPeer.Manner, at address: String, _ body: () async throws -> R
        ) async throws -> R {
            let peer = try TestPeer(manner, address: address, port: lab.port)
            defer { peer.close() }
            return try await body()
        }

        @Test func `STS-3.3-r: IPv6`() async throws {
            let response = try await lab.get("echo.lab.test", at: ["::1"]).get()
            #expect(response.address == IPAddress("::1"))
        }

        @Test func `pitfall 34: a refusing address is followed by the next`() async throws {
            let response = try await lab.get("echo.lab.test", at: [Laboratory.dead, "::1", Laboratory.general]).get()
            #expect(response.address == IPAddress("::1"))
        }

        @Test func `every address is tried, however many are dead`() async throws {
            let dead = (20...69).map { "127.0.0.\($0)" }
            let response = try await lab.get("echo.lab.test", at: dead + [Laboratory.general]).get()
            #expect(response.address == IPAddress(Laboratory.general))
        }

        @Test func `no name is resolved and no other address dialled`() async throws {
            // localhost would resolve without any server.
            let result = try await lab.get("localhost", at: [Laboratory.dead])
            #expect(result.failure == .transport(.unreachable("Connection refused")))
        }

        @Test func `the address of one fetch does not stay for the next`() async throws {
            let fetcher = try lab.fetcher()
            let first = try await fetcher.fetch(PolicyRequest(lab: "echo.lab.test"))
            let second = await fetcher.result(try PolicyRequest(lab: "echo.lab.test", at: [Laboratory.dead]))
            let third = try await fetcher.fetch(PolicyRequest(lab: "echo.lab.test", at: ["::1"]))
            await fetcher.close()
            #expect(first.address == IPAddress(Laboratory.general))
            #expect(second.failure == .transport(.unreachable("Connection refused")))
            #expect(third.address == IPAddress("::1"))
        }

        @Test func `pitfall 34: an address that never answers costs its share of the time`() async throws {
            let start = ContinuousClock.now
            let response = try await withPeer(.silent, at: "127.0.0.5") {
                try await lab.get("echo.lab.test", at: ["127.0.0.5", Laboratory.general], timeout: .seconds(3)).get()
            }
            #expect(response.address == IPAddress(Laboratory.general))
            // (3 s) / 2 addresses
            #expect(.now - start >= .milliseconds(1_490))
        }

        @Test func `the last address has all the time that remains`() async throws {
            let result = try await withPeer(.silent, at: "127.0.0.5") {
                try await lab.get("echo.lab.test", at: [Laboratory.dead, "127.0.0.5"], timeout: .seconds(1))
            }
            #expect(result.failure == .transport(.timedOut(after: .seconds(1))))
        }

        @Test func `a peer that speaks no TLS is a failed handshake, and another address is tried`() async throws {
            let noise = Array("220 mail.example.test ESMTP\r\n".utf8)
            try await withPeer(.says(noise), at: "127.0.0.6") {
                let result = try await lab.get("echo.lab.test", at: ["127.0.0.6"])
                #expect(result.failure == .transport(.handshake("wrong version number")))
                let next = try await lab.get("echo.lab.test", at: ["127.0.0.6", Laboratory.general])
                #expect(next.failure == nil)
            }
        }

        @Test func `a peer that hangs up at once is a failed handshake`() async throws {
            let result = try await withPeer(.says([]), at: "127.0.0.7") {
                try await lab.get("echo.lab.test", at: ["127.0.0.7"])
            }
            guard case .transport(.handshake(let reason)) = result.failure else {
                Issue.record("\(result)")
                return
            }
            #expect(!reason.isEmpty)
        }

        @Test func `STS-7.2-a: TLS 1.1 is refused, and another address is tried`() async throws {
            let result = try await lab.get("echo.lab.test", at: [Laboratory.onlyOldTLS])
            guard case .transport(.handshake(let reason)) = result.failure else {
                Issue.record("\(result)")
                return
            }
            #expect(reason.contains("protocol"))
            let next = try await lab.get("echo.lab.test", at: [Laboratory.onlyOldTLS, Laboratory.general])
            #expect(next.failure == nil)
        }

        @Test func `no address is a failure of its own`() async throws {
            let result = try await lab.get("echo.lab.test", at: [])
            #expect(result.failure == .transport(.local("no address to dial")))
        }

        @Test(arguments: ["http://echo.lab.test/", "ftp://echo.lab.test/", "https://user:secret@echo.lab.test/"])
        func `a URL that is not plain https is not asked for`(_ url: String) async throws {
            let fetcher = try lab.fetcher()
            let address = try #require(IPAddress(Laboratory.general))
            let result = await fetcher.result(
                PolicyRequest(host: "echo.lab.test", url: url, addresses: [address], domain: "echo.lab.test"))
            await fetcher.close()
            guard case .transport = result.failure else {
                Issue.record("\(result)")
                return
            }
        }

        @Test(arguments: ["", "mta-sts.good.test\0.lab.test"])
        func `a host that cannot be demanded ends the handshake`(_ host: String) async throws {
            let fetcher = try lab.fetcher()
            let good = try PolicyRequest(lab: "mta-sts.good.test")
            let result = await fetcher.result(
                PolicyRequest(host: host, url: good.url, addresses: good.addresses, domain: host))
            await fetcher.close()
            guard case .transport(.local) = result.failure else {
                Issue.record("\(result)")
                return
            }
        }
    }
}

struct DurationTests {
    @Test(
        arguments: [
            (.zero, 1), (.nanoseconds(1), 1), (.milliseconds(5), 5), (.microseconds(5_001), 6), (.seconds(30), 30_000),
            (.seconds(-1), 1), (.seconds(Int64.max), Int(Int32.max)),
        ] as [(Duration, Int)])
    func `milliseconds are rounded up, never 0 and never too many`(_ duration: Duration, _ milliseconds: Int) {
        #expect(duration.millisecondsRoundedUp == milliseconds)
    }
}
