import COpenSSL
import Discovery
import Testing

@testable import CurlHTTPS

/// A certificate, the policy host, and the expected error; `nil` means accepted.
struct CertificateCase: Sendable, CustomTestStringConvertible {
    let id: String
    let recipe: CertificateRecipe
    let verdict: CertificateError?

    var testDescription: String { id }

    init(
        _ id: String, host: String, names: [String], error verdict: CertificateError?,
        change: (inout CertificateRecipe) -> Void = { _ in }
    ) {
        self.id = id
        var recipe = CertificateRecipe(host: host, names: names)
        change(&recipe)
        self.recipe = recipe
        self.verdict = verdict
    }
}

private let manyNames = (1...99).map { "DNS:mta-sts.n\($0).test" } + ["DNS:mta-sts.many.test"]
private func own(_ host: String) -> [String] { ["DNS:\(host)"] }

/// nginx uses the first one without SNI.
let certificateCases = [
    CertificateCase(
        "STS-8.2-a, NAME-6.1.1-a, NAME-6.1.1-b, pitfall 18: the provider's name only", host: "mta-sts.delegated.test",
        names: ["DNS:pages.provider.test"], error: .nameMismatch),
    CertificateCase("STS-3.3-a: the very name", host: "mta-sts.good.test", names: own("mta-sts.good.test"), error: nil),
    CertificateCase("NAME-6.2-a: one of a hundred names", host: "mta-sts.many.test", names: manyNames, error: nil),
    CertificateCase(
        "NAME-6.3-a: letters of another case", host: "mta-sts.upper.test", names: own("MTA-STS.UPPER.TEST"), error: nil),
    CertificateCase(
        "NAME-6.3-b: A-labels", host: "mta-sts.xn--strae-oqa.test", names: own("mta-sts.xn--strae-oqa.test"), error: nil
    ),
    CertificateCase(
        "STS-3.3-c, pitfall 22: a wildcard", host: "mta-sts.wild.test", names: ["DNS:*.wild.test"], error: nil),
    CertificateCase(
        "NAME-6.3-b: a wildcard over an A-label", host: "mta-sts.xn--bcher-kva.test",
        names: ["DNS:*.xn--bcher-kva.test"], error: nil),
    CertificateCase(
        "STS-3.3-c, pitfall 22: a wildcard for two labels", host: "mta-sts.sub.wide.test", names: ["DNS:*.wide.test"],
        error: .nameMismatch),
    CertificateCase(
        "NAME-6.3-c: a wildcard within a label", host: "mta-sts.partial.test", names: ["DNS:mta-*.partial.test"],
        error: .nameMismatch),
    CertificateCase(
        "NAME-6.3-d: a wildcard behind a letter", host: "mta-sts.letter.test", names: ["DNS:m*.letter.test"],
        error: .nameMismatch),
    CertificateCase(
        "NAME-6.3-d: a wildcard before letters", host: "mta-sts.tail.test", names: ["DNS:*sts.tail.test"],
        error: .nameMismatch),
    CertificateCase(
        "NAME-6.3-c: two wildcards", host: "mta-sts.double.test", names: ["DNS:*.*.test"], error: .nameMismatch),
    CertificateCase(
        "NAME-6.3-c: a wildcard inside", host: "mta-sts.inner.test", names: ["DNS:mta-sts.*.test"], error: .nameMismatch
    ),
    CertificateCase("NAME-6.3-c: a wildcard alone", host: "mta-sts.star.test", names: ["DNS:*"], error: .nameMismatch),
    CertificateCase(
        "STS-3.3-b, NAME-A-a, pitfall 21: the name as CN, no SAN", host: "mta-sts.cn.test", names: [],
        error: .nameMismatch
    ) { $0.commonName = "mta-sts.cn.test" },
    CertificateCase(
        "STS-3.3-b: the name as CN, a SAN of another type", host: "mta-sts.mixed.test", names: ["IP:127.0.0.1"],
        error: .nameMismatch
    ) { $0.commonName = "mta-sts.mixed.test" },
    CertificateCase(
        "STS-3.3-b: the name as CN, another dNSName", host: "mta-sts.other.test", names: ["DNS:www.other.test"],
        error: .nameMismatch
    ) { $0.commonName = "mta-sts.other.test" },
    CertificateCase(
        "STS-3.3-b: the address dialled", host: "mta-sts.ip.test", names: ["IP:127.0.0.1"], error: .nameMismatch),
    CertificateCase(
        "STS-3.3-b: the name within a URI", host: "mta-sts.uri.test", names: ["URI:https://mta-sts.uri.test/"],
        error: .nameMismatch),
    CertificateCase(
        "STS-3.3-b: the name as an e-mail host", host: "mta-sts.mail.test", names: ["email:a@mta-sts.mail.test"],
        error: .nameMismatch),
    CertificateCase("STS-3.3-a: the apex", host: "mta-sts.apex.test", names: ["DNS:apex.test"], error: .nameMismatch),
    CertificateCase(
        "STS-3.3-a, pitfall 19: expired", host: "mta-sts.expired.test", names: own("mta-sts.expired.test"),
        error: .expired
    ) { $0.validUntil = "20200201000000Z" },
    CertificateCase(
        "STS-3.3-a: not yet valid", host: "mta-sts.future.test", names: own("mta-sts.future.test"), error: .notYetValid
    ) { $0.validFrom = "20900101000000Z" },
    CertificateCase(
        "STS-3.3-a, pitfall 21: self-signed", host: "mta-sts.self.test", names: own("mta-sts.self.test"),
        error: .selfSigned
    ) { $0.issuer = .itself },
    CertificateCase(
        "STS-3.3-a, pitfall 21: unknown authority", host: "mta-sts.unknown.test", names: own("mta-sts.unknown.test"),
        error: .untrusted
    ) { $0.issuer = .unknown },
    CertificateCase(
        "STS-3.3-a, pitfall 21: unknown authority, sent along", host: "mta-sts.along.test",
        names: own("mta-sts.along.test"),
        error: .untrusted
    ) { $0.issuer = .unknownWithRoot },
    CertificateCase(
        "STS-3.3-a, pitfall 20: missing intermediate", host: "mta-sts.gap.test", names: own("mta-sts.gap.test"),
        error: .untrusted
    ) { $0.issuer = .trustedButIncomplete },
    CertificateCase(
        "STS-3.3-a: for clients only", host: "mta-sts.client.test", names: own("mta-sts.client.test"),
        error: .refused(code: 26, reason: "unsuitable certificate purpose")
    ) { $0.usage = "clientAuth" },
]

extension AgainstNginx {
    @Suite struct CertificateVerificationTests {
        @Test(arguments: certificateCases)
        func `the certificate is verified for the policy host`(row: CertificateCase) async throws {
            let nginx = try #require(NginxFixture.current)
            let result = try await nginx.get(row.recipe.host)
            switch row.verdict {
            case .some(let verdict): #expect(result.failure == .certificate(verdict))
            case nil: #expect(result.text == "ok")
            }
        }

        @Test func `a certificate error is final: there is no connection to another address`() async throws {
            let nginx = try #require(NginxFixture.current)
            let result = try await nginx.get("mta-sts.expired.test", at: [NginxFixture.general, NginxFixture.dead])
            #expect(result.failure == .certificate(.expired))
        }

        @Test func `NAME-6.6-a: the server gets a bad_certificate alert and no request`() async throws {
            let nginx = try #require(NginxFixture.current)
            _ = try await nginx.get("mta-sts.partial.test")
            #expect(try await nginx.get("echo.site.test").failure == nil)
            #expect(try !nginx.log().contains("mta-sts.partial.test"))
        }

        @Test func `the response contains the accepted certificate`() async throws {
            let nginx = try #require(NginxFixture.current)
            let tls = try await nginx.get("mta-sts.good.test").get().tls
            #expect(tls == TLSSummary(issuer: "CN = intermediate authority", notAfter: "Jan  1 00:00:00 2099 GMT"))
        }

        @Test func `only the configured file is trusted`() async throws {
            let nginx = try #require(NginxFixture.current)
            let other = CATrust.file(nginx.certificates.otherRoot)
            #expect(try await nginx.get("mta-sts.unknown.test", trust: other).text == "ok")
            #expect(try await nginx.get("mta-sts.good.test", trust: other).failure == .certificate(.untrusted))
        }

        @Test func `STS-3.3-d: the system's bundle is the default, and does not trust the test root`() async throws {
            let nginx = try #require(NginxFixture.current)
            #expect(CurlFetcherConfiguration().trust == .system)
            #expect(try await nginx.get("mta-sts.good.test", trust: .system).failure == .certificate(.untrusted))
        }
    }
}

struct CertificateVerdictTests {
    @Test(
        arguments: [
            (62, .nameMismatch), (10, .expired), (9, .notYetValid), (18, .selfSigned), (19, .untrusted),
            (20, .untrusted),
            (21, .untrusted), (2, .untrusted), (23, .refused(code: 23, reason: "certificate revoked")),
        ] as [(Int, CertificateError)])
    func `OpenSSL's numbers become errors`(number: Int, failure: CertificateError) {
        #expect(CertificateVerification.error(verifyResult: number) == failure)
    }

    @Test(arguments: ["", "mta-sts.example.test\0.evil.test"])
    func `a host that means no check to OpenSSL is refused`(host: String) throws {
        let context = try #require(SSL_CTX_new(TLS_client_method()))
        defer { SSL_CTX_free(context) }
        #expect(!CertificateVerification.require(host, in: context))
    }
}
