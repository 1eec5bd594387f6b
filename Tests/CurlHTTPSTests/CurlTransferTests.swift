import Discovery
import Testing

@testable import CurlHTTPS

extension AgainstNginx {
    /// Addresses, time limits, and peers that are not policy hosts.
    @Suite struct CurlTransferTests {
        let nginx: NginxFixture

        init() throws { nginx = try #require(NginxFixture.current) }

        /// Runs `body` with a plain TCP server on the port of nginx at another address.
        private func withPeer<R>(
            _ manner: TestPeer.Manner, at address: String, body: () async throws -> R
        ) async throws -> R {
            let peer = try TestPeer(manner, address: address, port: nginx.port)
            defer { peer.close() }
            return try await body()
        }

        @Test func `STS-3.3-r: IPv6`() async throws {
            let response = try await nginx.get("echo.site.test", at: ["::1"]).get()
            #expect(response.address == IPAddress("::1"))
        }

        @Test func `pitfall 34: after an address that refuses, the next one is tried`() async throws {
            let response = try await nginx.get("echo.site.test", at: [NginxFixture.dead, "::1", NginxFixture.general])
                .get()
            #expect(response.address == IPAddress("::1"))
        }

        @Test func `every address is tried`() async throws {
            let dead = (20...69).map { "127.0.0.\($0)" }
            let response = try await nginx.get("echo.site.test", at: dead + [NginxFixture.general]).get()
            #expect(response.address == IPAddress(NginxFixture.general))
        }

        @Test func `no name is resolved, and there is no connection to other addresses`() async throws {
            // localhost would resolve without any server.
            let result = try await nginx.get("localhost", at: [NginxFixture.dead])
            #expect(result.failure == .transport(.unreachable("Connection refused")))
        }

        @Test func `the address of one fetch has no effect on the next`() async throws {
            let fetcher = try nginx.fetcher()
            let first = try await fetcher.fetch(PolicyRequest(nginx: "echo.site.test"))
            let second = await fetcher.result(try PolicyRequest(nginx: "echo.site.test", at: [NginxFixture.dead]))
            let third = try await fetcher.fetch(PolicyRequest(nginx: "echo.site.test", at: ["::1"]))
            await fetcher.close()
            #expect(first.address == IPAddress(NginxFixture.general))
            #expect(second.failure == .transport(.unreachable("Connection refused")))
            #expect(third.address == IPAddress("::1"))
        }

        @Test func `pitfall 34: an address that never answers uses its share of the time only`() async throws {
            let start = ContinuousClock.now
            let response = try await withPeer(.silent, at: "127.0.0.5") {
                try await nginx.get("echo.site.test", at: ["127.0.0.5", NginxFixture.general], timeout: .seconds(3))
                    .get()
            }
            #expect(response.address == IPAddress(NginxFixture.general))
            // (3 s) / 2 addresses
            #expect(.now - start >= .milliseconds(1_490))
        }

        @Test func `the last address has all the time that remains`() async throws {
            let result = try await withPeer(.silent, at: "127.0.0.5") {
                try await nginx.get("echo.site.test", at: [NginxFixture.dead, "127.0.0.5"], timeout: .seconds(1))
            }
            #expect(result.failure == .transport(.timedOut(after: .seconds(1))))
        }

        @Test func `a peer without TLS is a failed handshake, and another address is tried`() async throws {
            let noise = Array("220 mail.example.test ESMTP\r\n".utf8)
            try await withPeer(.says(noise), at: "127.0.0.6") {
                let result = try await nginx.get("echo.site.test", at: ["127.0.0.6"])
                #expect(result.failure == .transport(.handshake("wrong version number")))
                let next = try await nginx.get("echo.site.test", at: ["127.0.0.6", NginxFixture.general])
                #expect(next.failure == nil)
            }
        }

        @Test func `a peer that closes at once is a failed handshake`() async throws {
            let result = try await withPeer(.says([]), at: "127.0.0.7") {
                try await nginx.get("echo.site.test", at: ["127.0.0.7"])
            }
            guard case .transport(.handshake(let reason)) = result.failure else {
                Issue.record("\(result)")
                return
            }
            #expect(!reason.isEmpty)
        }

        @Test func `STS-7.2-a: TLS 1.1 is refused, and another address is tried`() async throws {
            let result = try await nginx.get("echo.site.test", at: [NginxFixture.onlyOldTLS])
            guard case .transport(.handshake(let reason)) = result.failure else {
                Issue.record("\(result)")
                return
            }
            #expect(reason.contains("protocol"))
            let next = try await nginx.get("echo.site.test", at: [NginxFixture.onlyOldTLS, NginxFixture.general])
            #expect(next.failure == nil)
        }

        @Test func `a request without addresses is an error`() async throws {
            let result = try await nginx.get("echo.site.test", at: [])
            #expect(result.failure == .transport(.local("no address")))
        }

        @Test(arguments: ["http://echo.site.test/", "ftp://echo.site.test/", "https://user:secret@echo.site.test/"])
        func `a URL that is not plain https is refused`(url: String) async throws {
            let fetcher = try nginx.fetcher()
            let address = try #require(IPAddress(NginxFixture.general))
            let result = await fetcher.result(
                PolicyRequest(host: "echo.site.test", url: url, addresses: [address], domain: "echo.site.test"))
            await fetcher.close()
            guard case .transport = result.failure else {
                Issue.record("\(result)")
                return
            }
        }

        @Test(arguments: ["", "mta-sts.good.test\0.site.test"])
        func `a host that OpenSSL cannot verify ends the handshake`(host: String) async throws {
            let fetcher = try nginx.fetcher()
            let good = try PolicyRequest(nginx: "mta-sts.good.test")
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
    func `milliseconds are rounded up, never 0 and never too many`(duration: Duration, milliseconds: Int) {
        #expect(CurlTransfer.milliseconds(duration) == milliseconds)
    }
}
