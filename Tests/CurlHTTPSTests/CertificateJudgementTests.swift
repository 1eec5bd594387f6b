import COpenSSL
import Discovery
import Testing

@testable import CurlHTTPS

/// A certificate, the policy host for which it is shown, and the verdict; `nil`: accepted.
struct CertificateCase: Sendable, CustomTestStringConvertible {
    let id: String
    let recipe: CertificateRecipe
    let verdict: CertificateFailure?

    var testDescription: String { id }

    init(
        _ id: String, _ host: String, _ names: [String], _ verdict: CertificateFailure?,
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

/// The first is also what a laboratory's server shows without SNI.
let certificateCases = [
    CertificateCase(
        "STS-8.2-a, NAME-6.1.1-a, NAME-6.1.1-b, pitfall 18: the provider's name only", "mta-sts.delegated.test",
        ["DNS:pages.provider.test"], .nameMismatch),
    CertificateCase("STS-3.3-a: the very name", "mta-sts.good.test", own("mta-sts.good.test"), nil),
    CertificateCase("NAME-6.2-a: one of a hundred names", "mta-sts.many.test", manyNames, nil),
    CertificateCase("NAME-6.3-a: letters of another case", "mta-sts.upper.test", own("MTA-STS.UPPER.TEST"), nil),
    CertificateCase(
        "NAME-6.3-b: A-labels", "mta-sts.xn--strae-oqa.test", own("mta-sts.xn--strae-oqa.test"), nil),
    CertificateCase("STS-3.3-c, pitfall 22: a wildcard", "mta-sts.wild.test", ["DNS:*.wild.test"], nil),
    CertificateCase(
        "NAME-6.3-b: a wildcard over an A-label", "mta-sts.xn--bcher-kva.test", ["DNS:*.xn--bcher-kva.test"], nil),
    CertificateCase(
        "STS-3.3-c, pitfall 22: a wildcard for two labels", "mta-sts.sub.wide.test", ["DNS:*.wide.test"],
        .nameMismatch),
    CertificateCase(
        "NAME-6.3-c: a wildcard within a label", "mta-sts.partial.test", ["DNS:mta-*.partial.test"], .nameMismatch),
    CertificateCase(
        "NAME-6.3-d: a wildcard behind a letter", "mta-sts.letter.test", ["DNS:m*.letter.test"], .nameMismatch),
    CertificateCase(
        "NAME-6.3-d: a wildcard before letters", "mta-sts.tail.test", ["DNS:*sts.tail.test"], .nameMismatch),
    CertificateCase("NAME-6.3-c: two wildcards", "mta-sts.double.test", ["DNS:*.*.test"], .nameMismatch),
    CertificateCase("NAME-6.3-c: a wildcard inside", "mta-sts.inner.test", ["DNS:mta-sts.*.test"], .nameMismatch),
    CertificateCase("NAME-6.3-c: a wildcard alone", "mta-sts.star.test", ["DNS:*"], .nameMismatch),
    CertificateCase(
        "STS-3.3-b, NAME-A-a, pitfall 21: the name as CN, no SAN", "mta-sts.cn.test", [], .nameMismatch
    ) { $0.commonName = "mta-sts.cn.test" },
    CertificateCase(
        "STS-3.3-b: the name as CN, a SAN of another type", "mta-sts.mixed.test", ["IP:127.0.0.1"], .nameMismatch
    ) { $0.commonName = "mta-sts.mixed.test" },
    CertificateCase(
        "STS-3.3-b: the name as CN, another dNSName", "mta-sts.other.test", ["DNS:www.other.test"], .nameMismatch
    ) { $0.commonName = "mta-sts.other.test" },
    CertificateCase("STS-3.3-b: the address dialled", "mta-sts.ip.test", ["IP:127.0.0.1"], .nameMismatch),
    CertificateCase(
        "STS-3.3-b: the name within a URI", "mta-sts.uri.test", ["URI:https://mta-sts.uri.test/"], .nameMismatch),
    CertificateCase(
        "STS-3.3-b: the name as an e-mail host", "mta-sts.mail.test", ["email:a@mta-sts.mail.test"], .nameMismatch),
    CertificateCase("STS-3.3-a: the apex", "mta-sts.apex.test", ["DNS:apex.test"], .nameMismatch),
    CertificateCase(
        "STS-3.3-a, pitfall 19: expired", "mta-sts.expired.test", own("mta-sts.expired.test"), .expired
    ) { $0.validUntil = "20200201000000Z" },
    CertificateCase(
        "STS-3.3-a: not yet valid", "mta-sts.future.test", own("mta-sts.future.test"), .notYetValid
    ) { $0.validFrom = "20900101000000Z" },
    CertificateCase(
        "STS-3.3-a, pitfall 21: self-signed", "mta-sts.self.test", own("mta-sts.self.test"), .selfSigned
    ) { $0.issuer = .itself },
    CertificateCase(
        "STS-3.3-a, pitfall 21: unknown authority", "mta-sts.unknown.test", own("mta-sts.unknown.test"), .untrusted
    ) { $0.issuer = .unknown },
    CertificateCase(
        "STS-3.3-a, pitfall 21: unknown authority, sent along", "mta-sts.along.test", own("mta-sts.along.test"),
        .untrusted
    ) { $0.issuer = .unknownWithRoot },
    CertificateCase(
        "STS-3.3-a, pitfall 20: missing intermediate", "mta-sts.gap.test", own("mta-sts.gap.test"), .untrusted
    ) { $0.issuer = .trustedButIncomplete },
    CertificateCase(
        "STS-3.3-a: for clients only", "mta-sts.client.test", own("mta-sts.client.test"),
        .refused(code: 26, reason: "unsuitable certificate purpose")
    ) { $0.usage = "clientAuth" },
]

extension AgainstNginx {
    @Suite struct CertificateJudgementTests {
        @Test(arguments: certificateCases)
        func `the certificate is judged for the policy host`(_ row: CertificateCase) async throws {
            let lab = try #require(Laboratory.current)
            let result = try await lab.get(row.recipe.host)
            switch row.verdict {
            case .some(let verdict): #expect(result.failure == .certificate(verdict))
            case nil: #expect(result.text == "ok")
            }
        }

        @Test func `a certificate verdict is final: no other address is dialled`() async throws {
            let lab = try #require(Laboratory.current)
            let result = try await lab.get("mta-sts.expired.test", at: [Laboratory.general, Laboratory.dead])
            #expect(result.failure == .certificate(.expired))
        }

        @Test func `NAME-6.6-a: the server is told of a bad certificate and gets no request`() async throws {
            let lab = try #require(Laboratory.current)
            _ = try await lab.get("mta-sts.partial.test")
            #expect(try await lab.get("echo.lab.test").failure == nil)
            #expect(try !lab.log().contains("mta-sts.partial.test"))
        }

        @Test func `the response tells of the certificate that was accepted`() async throws {
            let lab = try #require(Laboratory.current)
            let tls = try await lab.get("mta-sts.good.test").get().tls
            #expect(tls == TLSSummary(issuer: "CN = intermediate authority", notAfter: "Jan  1 00:00:00 2099 GMT"))
        }

        @Test func `only the configured file is trusted`() async throws {
            let lab = try #require(Laboratory.current)
            let other = CATrust.file(lab.certificates.otherRoot)
            #expect(try await lab.get("mta-sts.unknown.test", trust: other).text == "ok")
            #expect(try await lab.get("mta-sts.good.test", trust: other).failure == .certificate(.untrusted))
        }

        @Test func `STS-3.3-d: the system's bundle is the default, and does not know the laboratory`() async throws {
            let lab = try #require(Laboratory.current)
            #expect(CurlFetcherConfiguration().trust == .system)
            #expect(try await lab.get("mta-sts.good.test", trust: .system).failure == .certificate(.untrusted))
        }
    }
}

struct CertificateVerdictTests {
    @Test(
        arguments: [
            (62, .nameMismatch), (10, .expired), (9, .notYetValid), (18, .selfSigned), (19, .untrusted),
            (20, .untrusted),
            (21, .untrusted), (2, .untrusted), (23, .refused(code: 23, reason: "certificate revoked")),
        ] as [(Int, CertificateFailure)])
    func `OpenSSL's numbers have names`(_ number: Int, _ failure: CertificateFailure) {
        #expect(CertificateJudgement.failure(verifyResult: number) == failure)
    }

    @Test(arguments: ["", "mta-sts.example.test\0.evil.test"])
    func `a host that OpenSSL would take for no host is not demanded`(_ host: String) throws {
        let context = try #require(SSL_CTX_new(TLS_client_method()))
        defer { SSL_CTX_free(context) }
        #expect(!CertificateJudgement.demand(host, of: context))
    }
}
