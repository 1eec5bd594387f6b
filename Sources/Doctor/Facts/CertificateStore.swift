import Glibc

/// What is found where Postfix is told to find its CAs.
package enum CertificateStore: Equatable, Sendable {
    /// So many certificates; 0: the file or directory is there and has none that Postfix would find.
    case certificates(Int)
    case missing
    /// errno(3)
    case unreadable(Int32)

    /// PEM blocks of a file. 16 MiB of it are read; the world's CAs take a quarter of one.
    static func file(_ path: String) -> CertificateStore {
        guard let octets = SmallRead.octets(of: path, limit: 1 << 24) else { return trouble() }
        return .certificates(pemBlocks(in: String(decoding: octets, as: UTF8.self)))
    }

    /// Complete ones.
    static func pemBlocks(in text: String) -> Int {
        var count = 0
        var opened: Substring?
        for line in text.split(whereSeparator: \.isNewline) {
            if line.hasPrefix("-----BEGIN "),
                line.hasSuffix(" CERTIFICATE-----") || line == "-----BEGIN CERTIFICATE-----"
            {
                opened = line.dropFirst("-----BEGIN ".count)
            } else if let name = opened, line == "-----END " + name {
                count += 1
                opened = nil
            }
        }
        return count
    }

    /// Names such as `5ad8a5d6.0`, by which OpenSSL looks into a directory.
    static func directory(_ path: String) -> CertificateStore {
        guard let stream = opendir(path) else { return trouble() }
        defer { closedir(stream) }
        var count = 0
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if isHashed(name) { count += 1 }
        }
        return .certificates(count)
    }

    static func isHashed(_ name: String) -> Bool {
        let parts = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count == 2 && parts[0].count == 8 && !parts[1].isEmpty
            && parts[0].allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
            && parts[1].allSatisfy { (0x30...0x39).contains($0) }
    }

    private static func trouble() -> CertificateStore {
        errno == ENOENT || errno == ENOTDIR ? .missing : .unreadable(errno)
    }

    /// Where systems keep all CAs in one file: Debian, Fedora, Alpine and FreeBSD.
    static let systemFiles = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
    ]

    /// The one of this host; Debian's where there is none.
    static var systemFile: String { systemFiles.first { access($0, R_OK) == 0 } ?? systemFiles[0] }
}
