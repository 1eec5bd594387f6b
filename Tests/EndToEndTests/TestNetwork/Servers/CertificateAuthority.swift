import Foundation

/// A certificate, correct or wrong in a typical way.
enum Certificate: Sendable {
    /// Correct: these dNSName SANs, issued by the CA that the test network trusts.
    case naming([String])
    case expired([String])
    case selfSigned([String])
    /// Issued by a CA that is not trusted.
    case otherAuthority([String])
    /// The name is in the subject only.
    case commonNameOnly(String)
    /// Issued by an intermediate CA that the server does not send.
    case missingIntermediate([String])
}

/// The CA of the test network, made with the openssl command.
///
/// All leaf certificates share one key.
struct CertificateAuthority: Sendable {
    static let openssl = "/usr/bin/openssl"

    let directory: String
    var root: String { directory + "/ca.pem" }
    var key: String { directory + "/key.pem" }

    init(in directory: String) async throws {
        self.directory = directory
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try await openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        for authority in ["ca", "other"] {
            try await openssl(
                "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file(authority, suffix: "key"))
            try await openssl(
                "req", "-x509", "-new", "-key", file(authority, suffix: "key"), "-days", "30", "-subj",
                "/CN=\(authority)",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
                "-out", file(authority, suffix: "pem"))
        }
        try await openssl("req", "-new", "-key", key, "-subj", "/O=test network", "-out", file("leaf", suffix: "csr"))
        let (between, request) = (file("intermediate", suffix: "key"), file("intermediate", suffix: "csr"))
        try await openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", between)
        try await openssl("req", "-new", "-key", between, "-subj", "/CN=intermediate", "-out", request)
        try await sign(
            "intermediate", days: 30, by: "ca",
            extensions: "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign", request: request)
    }

    /// Makes a certificate and returns the path of its file.
    func issue(_ certificate: Certificate, as label: String) async throws -> String {
        switch certificate {
        case .naming(let names):
            try await sign(label, days: 20, by: "ca", extensions: alternatives(names))
        case .expired(let names):
            try await sign(label, days: -1, by: "ca", extensions: alternatives(names))
        case .otherAuthority(let names):
            try await sign(label, days: 20, by: "other", extensions: alternatives(names))
        case .missingIntermediate(let names):
            try await sign(label, days: 20, by: "intermediate", extensions: alternatives(names))
        case .selfSigned(let names):
            try await openssl(
                "req", "-x509", "-new", "-key", key, "-days", "20", "-subj", "/O=test network",
                "-addext", alternatives(names), "-out", file(label, suffix: "pem"))
        case .commonNameOnly(let name):
            let request = file(label, suffix: "csr")
            try await openssl("req", "-new", "-key", key, "-subj", "/CN=\(name)", "-out", request)
            try await sign(label, days: 20, by: "ca", extensions: "extendedKeyUsage=serverAuth", request: request)
        }
        return file(label, suffix: "pem")
    }

    /// SHA-256 of the public key of all leaf certificates, in hexadecimal, for TLSA `3 1 1`.
    func publicKeyDigest() async throws -> String {
        try await openssl("pkey", "-in", key, "-pubout", "-outform", "DER", "-out", file("leaf", suffix: "der"))
        let output = try await ChildProcess.must(
            Self.openssl, arguments: ["dgst", "-sha256", "-r", file("leaf", suffix: "der")])
        return String(output.prefix(64))
    }

    private func alternatives(_ names: [String]) -> String {
        "subjectAltName=" + names.map { "DNS:\($0)" }.joined(separator: ",")
    }

    private func file(_ label: String, suffix: String) -> String {
        "\(directory)/\(label).\(suffix)"
    }

    private func sign(
        _ label: String, days: Int, by authority: String, extensions: String, request: String? = nil
    ) async throws {
        try extensions.write(toFile: file(label, suffix: "ext"), atomically: false, encoding: .utf8)
        try await openssl(
            "x509", "-req", "-in", request ?? file("leaf", suffix: "csr"), "-CA", file(authority, suffix: "pem"),
            "-CAkey", file(authority, suffix: "key"), "-days", "\(days)", "-extfile", file(label, suffix: "ext"),
            "-out", file(label, suffix: "pem"))
    }

    private func openssl(_ arguments: String...) async throws {
        try await ChildProcess.must(Self.openssl, arguments: arguments)
    }
}
