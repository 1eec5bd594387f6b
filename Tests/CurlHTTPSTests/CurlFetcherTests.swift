import Discovery
import Foundation
import MTASTS
import TestSupport
import Testing

@testable import CurlHTTPS

extension AgainstNginx {
    /// What is asked, and which answers count.
    @Suite struct CurlFetcherTests {
        let lab: Laboratory

        init() throws { lab = try #require(Laboratory.current) }

        @Test(arguments: [(Laboratory.general, "HTTP/2", "h2"), (Laboratory.onlyHTTP1, "HTTP/1.1", "http/1.1")])
        func `STS-3.3-r, pitfall 35: HTTP/2 by ALPN, else HTTP/1.1`(_ at: String, _ version: String, _ alpn: String)
            async throws
        {
            let response = try await lab.get("echo.lab.test", at: [at]).get()
            #expect(response.httpVersion == version)
            #expect(response.address == IPAddress(at))
            #expect(response.contentTypes == ["text/plain"])
            let facts = Facts(response.body)
            #expect(facts["alpn"] == alpn)
        }

        @Test func `the real one keeps the fetcher's contract`() async throws {
            let fetcher = try lab.fetcher()
            let contract = FetcherContract(fetcher, at: try #require(IPAddress(Laboratory.general)))
            #expect(await contract.violations() == [])
            await fetcher.close()
        }

        @Test func `pitfall 35: a host that refuses HTTP/1.1 is served by HTTP/2`() async throws {
            #expect(try await lab.get("http2-only.lab.test").get().httpVersion == "HTTP/2")
            #expect(try await lab.get("http2-only.lab.test", at: [Laboratory.onlyHTTP1]).failure == .http(.status(505)))
        }

        @Test(arguments: [Laboratory.general, Laboratory.onlyHTTP1])
        func `STS-3.2, STS-7.1-a, STS-3.3-h: the request is a plain GET of the one URL`(_ at: String) async throws {
            let facts = Facts(try await lab.get("echo.lab.test", at: [at]).get().body)
            #expect(facts["request"]?.hasPrefix("GET /.well-known/mta-sts.txt HTTP/") == true)
            #expect(facts["uri"] == "/.well-known/mta-sts.txt")
            #expect(facts["host"] == "echo.lab.test")
            #expect(facts["sni"] == "echo.lab.test")
            #expect(facts["agent"] == "sts-bridge-test (+https://example.test/)")
            for name in [
                "accept-encoding", "if-none-match", "if-modified-since", "range", "cookie", "authorization",
                "forwarded",
            ] { #expect(facts[name] == "", "\(name)") }
        }

        @Test func `STS-3.3-h, STS-8.2-b, pitfall 36: two fetches are two full GETs over two connections`() async throws
        {
            let fetcher = try lab.fetcher()
            let request = try PolicyRequest(lab: "cached.lab.test")
            let first = Facts(try await fetcher.fetch(request).body)
            let second = Facts(try await fetcher.fetch(request).body)
            await fetcher.close()
            #expect(first["connection"] != second["connection"])
            #expect(second["connection"]?.hasSuffix("/1") == true)
            #expect(second["reused"] == ".")
            #expect(second["if-none-match"] == "")
            #expect(second["if-modified-since"] == "")
        }

        @Test(arguments: [203, 204, 206, 304, 401, 403, 404, 500, 503], [Laboratory.general, Laboratory.onlyHTTP1])
        func `STS-3.3-f, pitfall 26: only status 200 is a policy`(_ status: Int, _ at: String) async throws {
            #expect(try await lab.get("status-\(status).lab.test", at: [at]).failure == .http(.status(status)))
        }

        @Test(arguments: [("redirect", 301), ("found", 302)])
        func `STS-3.3-g, pitfall 24: a redirect is not followed, its target sees nothing`(
            _ name: String, _ status: Int
        ) async throws {
            #expect(try await lab.get("\(name).lab.test").failure == .http(.status(status)))
            #expect(try await lab.get("echo.lab.test").failure == nil)
            #expect(try !lab.log().contains("target.lab.test"))
        }

        @Test func `an HTTP answer is final: no other address is dialled`() async throws {
            let result = try await lab.get("status-404.lab.test", at: [Laboratory.general, Laboratory.dead])
            #expect(result.failure == .http(.status(404)))
        }

        @Test(arguments: [Laboratory.general, Laboratory.onlyHTTP1])
        func `STS-3.3-k, pitfall 33: 65,536 octets are taken, one more is refused`(_ at: String) async throws {
            #expect(try await lab.get("size-65536.lab.test", at: [at]).get().body.count == 65_536)
            #expect(
                try await lab.get("size-65537.lab.test", at: [at]).failure == .http(.tooLarge(limit: 65_536)))
        }

        @Test(arguments: [Laboratory.general, Laboratory.onlyHTTP1])
        func `pitfall 32: an endless body is refused at the limit`(_ at: String) async throws {
            #expect(try await lab.get("endless.lab.test", at: [at]).failure == .http(.tooLarge(limit: 65_536)))
        }

        @Test(arguments: ["endless-error", "slow-error"], [Laboratory.general, Laboratory.onlyHTTP1])
        func `the body of another status is not awaited`(_ name: String, _ at: String) async throws {
            let status = name == "slow-error" ? 404 : 500
            #expect(try await lab.get("\(name).lab.test", at: [at]).failure == .http(.status(status)))
        }

        @Test func `STS-3.3-l, pitfall 31: a content coding that was not asked for is refused`() async throws {
            #expect(try await lab.get("gzip.lab.test").failure == .http(.contentCoding))
            #expect(try await lab.get("identity.lab.test").text == "plain")
        }

        @Test(arguments: [Laboratory.general, Laboratory.onlyHTTP1])
        func `STS-3.3-l: a body that ends too early is no body`(_ at: String) async throws {
            guard case .transport(.broken) = try await lab.get("cut-short.lab.test", at: [at]).failure else {
                Issue.record("not broken")
                return
            }
        }

        @Test func `pitfall 29: a missing Content-Type is told as missing`() async throws {
            let response = try await lab.get("untyped.lab.test").get()
            #expect(response.body == Array("ok".utf8))
            #expect(response.contentTypes.isEmpty)
        }

        @Test(arguments: [Laboratory.general, Laboratory.onlyHTTP1])
        func `STS-3.2-b: a Content-Type that nginx sends twice is text/plain`(_ at: String) async throws {
            let response = try await lab.get("typed-twice.lab.test", at: [at]).get()
            #expect(response.contentTypes == ["text/plain", "text/plain"])
            #expect(PolicyMediaType.check(response.contentTypes) == .textPlain)
        }

        @Test(arguments: [Laboratory.general, Laboratory.onlyHTTP1])
        func `STS-3.3-k, pitfall 32: a slow drip is cut at the total deadline`(_ at: String) async throws {
            let start = ContinuousClock.now
            let result = try await lab.get("drip.lab.test", at: [at], timeout: .milliseconds(800))
            #expect(result.failure == .transport(.timedOut(after: .milliseconds(800))))
            #expect((.milliseconds(790)...(.seconds(3))).contains(.now - start))
        }

        @Test func `the environment's proxies are ignored`() async throws {
            let names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
            for name in names { setenv(name, "http://127.0.0.1:1", 1) }
            defer { for name in names { unsetenv(name) } }
            #expect(try await lab.get("echo.lab.test").failure == nil)
        }
    }
}

/// The lines `name=value` that the laboratory's echo sends.
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
