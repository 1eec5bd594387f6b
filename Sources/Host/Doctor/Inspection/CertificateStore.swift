import Glibc
import LocalSystem

/// The content of a file or directory that Postfix reads CAs from.
package enum CertificateStore: Equatable, Sendable {
    /// The number of certificates; 0: the file or directory exists but contains none that Postfix would use.
    case certificates(Int)
    case missing
    /// errno(3)
    case unreadable(Int32)

    /// Counts the PEM blocks of a file. Reads at most 16 MiB; all public CAs take a quarter of one.
    static func file(_ path: String) -> CertificateStore {
        guard let octets = try? SmallFile.read(path, limit: 1 << 24) else { return problem() }
        return .certificates(pemBlocks(in: String(decoding: octets, as: UTF8.self)))
    }

    /// The number of complete blocks.
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

    /// Counts names such as `5ad8a5d6.0`, by which OpenSSL finds CAs in a directory.
    static func directory(_ path: String) -> CertificateStore {
        guard let stream = opendir(path) else { return problem() }
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

    private static func problem() -> CertificateStore {
        errno == ENOENT || errno == ENOTDIR ? .missing : .unreadable(errno)
    }

    /// The file with all CAs on Debian, Fedora, Alpine and FreeBSD.
    static let systemFiles = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
    ]

    /// The file of this host; Debian's if there is none.
    static var systemFile: String { systemFiles.first { access($0, R_OK) == 0 } ?? systemFiles[0] }
}
