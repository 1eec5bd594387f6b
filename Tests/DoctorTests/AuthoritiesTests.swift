import PostfixSettings
import Testing

@testable import Doctor

/// The CA file is the first thing that goes wrong.
@Suite struct AuthoritiesTests {
    private static func finding(
        _ file: CertificateStore?, _ directory: CertificateStore? = nil, _ changes: [String: String] = [:],
        chroot: MasterService.Chroot = .no, source: PostfixSurvey.Source = .postconf("/usr/sbin/postconf"),
        isRoot: Bool = true
    ) -> Finding? {
        let survey = Healthy.survey(changes, services: [Healthy.service("smtp", chroot: chroot)], source: source)
        return Healthy.findings(
            .authorities, Healthy.facts(survey, file: file, directory: directory), isRoot: isRoot
        ).first
    }

    private static let line = Remedy(.mainCF, "smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt")

    @Test func `a file with certificates is enough`() {
        #expect(Self.finding(.certificates(1))?.severity == .ok)
        #expect(Self.finding(.certificates(1), .missing)?.severity == .ok)
    }

    @Test(arguments: [CertificateStore.certificates(0), .missing, .unreadable(5)])
    func `a file that is empty, missing or unreadable fails, whatever the directory has`(file: CertificateStore) {
        for directory in [nil, CertificateStore.certificates(140)] {
            let finding = Self.finding(file, directory)
            #expect(finding?.severity == .fail)
            #expect(finding?.remedy == Self.line)
            #expect(finding?.meaning.contains("plaintext") == true)
        }
    }

    @Test func `neither file nor directory fails`() {
        #expect(Self.finding(nil)?.severity == .fail)
        #expect(Self.finding(nil)?.remedy == Self.line)
        #expect(Self.finding(nil, nil, ["tls_append_default_CA": "yes"])?.severity == .warn)
    }

    @Test func `a directory counts where smtp looks, in its chroot`() throws {
        let path = ["smtp_tls_CApath": "/etc/ssl/certs"]
        #expect(Self.finding(nil, .certificates(140), path)?.severity == .ok)
        #expect(Self.finding(nil, .certificates(0), path)?.severity == .fail)
        let finding = try #require(Self.finding(nil, .missing, path, chroot: .yes))
        #expect(finding.severity == .fail)
        #expect(finding.meaning.contains("/var/spool/postfix/etc/ssl/certs"))
        #expect(finding.remedy == Self.line)
    }

    @Test func `what this user may not read, or another host has, is unknown`() {
        #expect(Self.finding(.unreadable(13), isRoot: false)?.severity == .unknown)
        #expect(Self.finding(nil, .unreadable(13), isRoot: false)?.severity == .unknown)
        #expect(Self.finding(.missing, source: .files)?.severity == .unknown)
        #expect(Self.finding(nil, .missing, source: .files)?.severity == .unknown)
    }

    @Test func `certificates are counted as blocks that end, and as hashed names`() throws {
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
