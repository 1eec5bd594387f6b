import PostfixConfig
import Testing

@testable import Doctor

/// The CA file, the most frequent error.
@Suite struct AuthoritiesTests {
    private static func result(
        _ file: CertificateStore?, directory: CertificateStore? = nil, changes: [String: String] = [:],
        chroot: MasterCF.Chroot = .no, source: PostfixConfiguration.Source = .postconf("/usr/sbin/postconf"),
        isRoot: Bool = true
    ) -> CheckResult? {
        let configuration = Healthy.configuration(
            changes, services: [Healthy.service("smtp", chroot: chroot)], source: source)
        return Healthy.results(
            .authorities, in: Healthy.facts(configuration, file: file, directory: directory), isRoot: isRoot
        ).first
    }

    private static let line = Fix(.mainCF, line: "smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt")

    @Test func `a file with certificates is enough`() {
        #expect(Self.result(.certificates(1))?.severity == .ok)
        #expect(Self.result(.certificates(1), directory: .missing)?.severity == .ok)
    }

    @Test(arguments: [CertificateStore.certificates(0), .missing, .unreadable(5)])
    func `an empty, missing or unreadable file fails with any directory`(file: CertificateStore) {
        for directory in [nil, CertificateStore.certificates(140)] {
            let result = Self.result(file, directory: directory)
            #expect(result?.severity == .fail)
            #expect(result?.fix == Self.line)
            #expect(result?.meaning.contains("plaintext") == true)
        }
    }

    @Test func `neither file nor directory fails`() {
        #expect(Self.result(nil)?.severity == .fail)
        #expect(Self.result(nil)?.fix == Self.line)
        #expect(Self.result(nil, directory: nil, changes: ["tls_append_default_CA": "yes"])?.severity == .warn)
    }

    @Test func `the directory is that of smtp's chroot`() throws {
        let path = ["smtp_tls_CApath": "/etc/ssl/certs"]
        #expect(Self.result(nil, directory: .certificates(140), changes: path)?.severity == .ok)
        #expect(Self.result(nil, directory: .certificates(0), changes: path)?.severity == .fail)
        let result = try #require(Self.result(nil, directory: .missing, changes: path, chroot: .yes))
        #expect(result.severity == .fail)
        #expect(result.meaning.contains("/var/spool/postfix/etc/ssl/certs"))
        #expect(result.fix == Self.line)
    }

    @Test func `a file that this user may not read, or of another host, is unknown`() {
        #expect(Self.result(.unreadable(13), isRoot: false)?.severity == .unknown)
        #expect(Self.result(nil, directory: .unreadable(13), isRoot: false)?.severity == .unknown)
        #expect(Self.result(.missing, source: .files)?.severity == .unknown)
        #expect(Self.result(nil, directory: .missing, source: .files)?.severity == .unknown)
    }

    @Test func `complete blocks and hashed names count as certificates`() throws {
        let block = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"
        let trusted = "-----BEGIN TRUSTED CERTIFICATE-----\nMII=\n-----END TRUSTED CERTIFICATE-----\n"
        #expect(CertificateStore.pemBlocks(in: "# CAs\n" + block + trusted) == 2)
        #expect(CertificateStore.pemBlocks(in: "-----BEGIN CERTIFICATE-----\nMII=\n") == 0)
        #expect(CertificateStore.pemBlocks(in: "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----") == 0)
        let names = ["5ad8a5d6.0", "ffffffff.12", "5ad8a5d6", "5AD8A5D6.0", "5ad8a5d6.r0", "ca.pem", "5ad8a5d6.", ".."]
        #expect(names.map(CertificateStore.isHashed) == [true, true] + [Bool](repeating: false, count: 6))
        try inDirectory { directory in
            try block.write(toFile: directory + "/5ad8a5d6.0", atomically: false, encoding: .utf8)
            #expect(CertificateStore.directory(directory) == .certificates(1))
            #expect(CertificateStore.file(directory + "/5ad8a5d6.0") == .certificates(1))
            #expect(CertificateStore.file(directory + "/none") == .missing)
            #expect(CertificateStore.directory(directory + "/none") == .missing)
        }
    }
}
