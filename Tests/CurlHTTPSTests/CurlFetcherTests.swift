import Discovery
import Foundation
import MTASTS
import TestSupport
import Testing

@testable import CurlHTTPS

extension AgainstNginx {
    /// Requests and responses.
    @Suite struct CurlFetcherTests {
        let nginx: NginxFixture

        init() throws { nginx = try #require(NginxFixture.current) }

        @Test(arguments: [(NginxFixture.general, "HTTP/2", "h2"), (NginxFixture.onlyHTTP1, "HTTP/1.1", "http/1.1")])
        func `STS-3.3-r, pitfall 35: HTTP/2 if ALPN chooses it, otherwise HTTP/1.1`(
            at: String, version: String, alpn: String
        )
            async throws
        {
            let response = try await nginx.get("echo.site.test", at: [at]).get()
            #expect(response.httpVersion == version)
            #expect(response.address == IPAddress(at))
            #expect(response.contentTypes == ["text/plain"])
            let facts = Facts(response.body)
            #expect(facts["alpn"] == alpn)
        }

        @Test func `CurlFetcher fulfils the contract of fetchers`() async throws {
            let fetcher = try nginx.fetcher()
            let contract = FetcherContract(fetcher, at: try #require(IPAddress(NginxFixture.general)))
            #expect(await contract.violations() == [])
            await fetcher.close()
        }

        @Test func `pitfall 35: a host that refuses HTTP/1.1 works over HTTP/2`() async throws {
            #expect(try await nginx.get("http2-only.site.test").get().httpVersion == "HTTP/2")
            #expect(
                try await nginx.get("http2-only.site.test", at: [NginxFixture.onlyHTTP1]).failure == .http(.status(505))
            )
        }

        @Test(arguments: [NginxFixture.general, NginxFixture.onlyHTTP1])
        func `STS-3.2, STS-7.1-a, STS-3.3-h: the request is a plain GET of the one URL`(at: String) async throws {
            let facts = Facts(try await nginx.get("echo.site.test", at: [at]).get().body)
            #expect(facts["request"]?.hasPrefix("GET /.well-known/mta-sts.txt HTTP/") == true)
            #expect(facts["uri"] == "/.well-known/mta-sts.txt")
            #expect(facts["host"] == "echo.site.test")
            #expect(facts["sni"] == "echo.site.test")
            #expect(facts["agent"] == "sts-bridge-test (+https://example.test/)")
            for name in [
                "accept-encoding", "if-none-match", "if-modified-since", "range", "cookie", "authorization",
                "forwarded",
            ] { #expect(facts[name] == "", "\(name)") }
        }

        @Test func `STS-3.3-h, STS-8.2-b, pitfall 36: two fetches are two full GETs over two connections`() async throws
        {
            let fetcher = try nginx.fetcher()
            let request = try PolicyRequest(nginx: "cached.site.test")
            let first = Facts(try await fetcher.fetch(request).body)
            let second = Facts(try await fetcher.fetch(request).body)
            await fetcher.close()
            #expect(first["connection"] != second["connection"])
            #expect(second["connection"]?.hasSuffix("/1") == true)
            #expect(second["reused"] == ".")
            #expect(second["if-none-match"] == "")
            #expect(second["if-modified-since"] == "")
        }

        @Test(
            arguments: [203, 204, 206, 304, 401, 403, 404, 500, 503], [NginxFixture.general, NginxFixture.onlyHTTP1])
        func `STS-3.3-f, pitfall 26: only status 200 is a policy`(status: Int, at: String) async throws {
            #expect(try await nginx.get("status-\(status).site.test", at: [at]).failure == .http(.status(status)))
        }

        @Test(arguments: [("redirect", 301), ("found", 302)])
        func `STS-3.3-g, pitfall 24: a redirect is not followed, and its target gets no request`(
            name: String, status: Int
        ) async throws {
            #expect(try await nginx.get("\(name).site.test").failure == .http(.status(status)))
            #expect(try await nginx.get("echo.site.test").failure == nil)
            #expect(try !nginx.log().contains("target.site.test"))
        }

        @Test func `an HTTP response is final: there is no connection to another address`() async throws {
            let result = try await nginx.get("status-404.site.test", at: [NginxFixture.general, NginxFixture.dead])
            #expect(result.failure == .http(.status(404)))
        }

        @Test(arguments: [NginxFixture.general, NginxFixture.onlyHTTP1])
        func `STS-3.3-k, pitfall 33: 65,536 octets are accepted, one more is refused`(at: String) async throws {
            #expect(try await nginx.get("size-65536.site.test", at: [at]).get().body.count == 65_536)
            #expect(
                try await nginx.get("size-65537.site.test", at: [at]).failure == .http(.tooLarge(limit: 65_536)))
        }

        @Test(arguments: [NginxFixture.general, NginxFixture.onlyHTTP1])
        func `pitfall 32: an endless body is refused at the limit`(at: String) async throws {
            #expect(try await nginx.get("endless.site.test", at: [at]).failure == .http(.tooLarge(limit: 65_536)))
        }

        @Test(arguments: ["endless-error", "slow-error"], [NginxFixture.general, NginxFixture.onlyHTTP1])
        func `a fetch does not wait for the body of another status`(name: String, at: String) async throws {
            let status = name == "slow-error" ? 404 : 500
            #expect(try await nginx.get("\(name).site.test", at: [at]).failure == .http(.status(status)))
        }

        @Test func `STS-3.3-l, pitfall 31: an unexpected content coding is refused`() async throws {
            #expect(try await nginx.get("gzip.site.test").failure == .http(.contentCoding))
            #expect(try await nginx.get("identity.site.test").text == "plain")
        }

        @Test(arguments: [NginxFixture.general, NginxFixture.onlyHTTP1])
        func `STS-3.3-l: a body that ends too early is refused`(at: String) async throws {
            guard case .transport(.broken) = try await nginx.get("cut-short.site.test", at: [at]).failure else {
                Issue.record("not broken")
                return
            }
        }

        @Test func `pitfall 29: a missing Content-Type is reported as missing`() async throws {
            let response = try await nginx.get("untyped.site.test").get()
            #expect(response.body == Array("ok".utf8))
            #expect(response.contentTypes.isEmpty)
        }

        @Test(arguments: [NginxFixture.general, NginxFixture.onlyHTTP1])
        func `STS-3.2-b: a Content-Type that nginx sends twice is text/plain`(at: String) async throws {
            let response = try await nginx.get("typed-twice.site.test", at: [at]).get()
            #expect(response.contentTypes == ["text/plain", "text/plain"])
            #expect(PolicyMediaType.check(response.contentTypes) == .textPlain)
        }

        @Test(arguments: [NginxFixture.general, NginxFixture.onlyHTTP1])
        func `STS-3.3-k, pitfall 32: a slow response ends at the total deadline`(at: String) async throws {
            let start = ContinuousClock.now
            let result = try await nginx.get("drip.site.test", at: [at], timeout: .milliseconds(800))
            #expect(result.failure == .transport(.timedOut(after: .milliseconds(800))))
            #expect((.milliseconds(790)...(.seconds(3))).contains(.now - start))
        }

        @Test func `the environment's proxies are ignored`() async throws {
            let names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
            for name in names { setenv(name, "http://127.0.0.1:1", 1) }
            defer { for name in names { unsetenv(name) } }
            #expect(try await nginx.get("echo.site.test").failure == nil)
        }
    }
}

/// The lines `name=value` from the echo location of nginx.
private struct Facts {
    private let values: [String: String]

    init(_ body: [UInt8]) {
        let lines = String(decoding: body, as: UTF8.self).split(separator: "\n")
        values = Dictionary(
            lines.map { line in
                let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
            }, uniquingKeysWith: { $1 })
    }

    subscript(name: String) -> String? { values[name] }
}
