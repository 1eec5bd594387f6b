import Foundation

/// How a certificate is, in the ways that certificates go wrong.
enum Certificate: Sendable {
    /// Good: these dNSName SANs, issued by the authority that everybody in the laboratory trusts.
    case naming([String])
    case expired([String])
    case selfSigned([String])
    /// Issued by an authority that nobody trusts.
    case otherAuthority([String])
    /// The name stands in the subject only.
    case commonNameOnly(String)
    /// Issued by an intermediate which the server forgets to send.
    case missingIntermediate([String])
}

/// The laboratory's own certificate authority: the openssl command and a directory.
///
/// All leaves share one key: what differs is what they say.
struct CertificateAuthority: Sendable {
    static let openssl = "/usr/bin/openssl"

    let directory: String
    var root: String { directory + "/ca.pem" }
    var key: String { directory + "/key.pem" }

    init(in directory: String) async throws {
        self.directory = directory
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try await openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        for authority in ["ca", "stranger"] {
            try await openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file(authority, "key"))
            try await openssl(
                "req", "-x509", "-new", "-key", file(authority, "key"), "-days", "30", "-subj", "/CN=\(authority)",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
                "-out", file(authority, "pem"))
        }
        try await openssl("req", "-new", "-key", key, "-subj", "/O=laboratory", "-out", file("leaf", "csr"))
        let (between, request) = (file("intermediate", "key"), file("intermediate", "csr"))
        try await openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", between)
        try await openssl("req", "-new", "-key", between, "-subj", "/CN=intermediate", "-out", request)
        try await sign(
            "intermediate", days: 30, by: "ca",
            extensions: "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign", request: request)
    }

    /// Makes a certificate and gives the path of its file.
    func issue(_ certificate: Certificate, as label: String) async throws -> String {
        switch certificate {
        case .naming(let names):
            try await sign(label, days: 20, by: "ca", extensions: alternatives(names))
        case .expired(let names):
            try await sign(label, days: -1, by: "ca", extensions: alternatives(names))
        case .otherAuthority(let names):
            try await sign(label, days: 20, by: "stranger", extensions: alternatives(names))
        case .missingIntermediate(let names):
            try await sign(label, days: 20, by: "intermediate", extensions: alternatives(names))
        case .selfSigned(let names):
            try await openssl(
                "req", "-x509", "-new", "-key", key, "-days", "20", "-subj", "/O=laboratory",
                "-addext", alternatives(names), "-out", file(label, "pem"))
        case .commonNameOnly(let name):
            let request = file(label, "csr")
            try await openssl("req", "-new", "-key", key, "-subj", "/CN=\(name)", "-out", request)
            try await sign(label, days: 20, by: "ca", extensions: "extendedKeyUsage=serverAuth", request: request)
        }
        return file(label, "pem")
    }

    /// SHA-256 of the public key that all leaves have, in hexadecimal: what TLSA `3 1 1` says.
    func publicKeyDigest() async throws -> String {
        try await openssl("pkey", "-in", key, "-pubout", "-outform", "DER", "-out", file("leaf", "der"))
        let output = try await ChildProcess.must(Self.openssl, ["dgst", "-sha256", "-r", file("leaf", "der")])
        return String(output.prefix(64))
    }

    private func alternatives(_ names: [String]) -> String {
        "subjectAltName=" + names.map { "DNS:\($0)" }.joined(separator: ",")
    }

    private func file(_ label: String, _ suffix: String) -> String {
        "\(directory)/\(label).\(suffix)"
    }

    private func sign(
        _ label: String, days: Int, by authority: String, extensions: String, request: String? = nil
    ) async throws {
        try extensions.write(toFile: file(label, "ext"), atomically: false, encoding: .utf8)
        try await openssl(
            "x509", "-req", "-in", request ?? file("leaf", "csr"), "-CA", file(authority, "pem"),
            "-CAkey", file(authority, "key"), "-days", "\(days)", "-extfile", file(label, "ext"),
            "-out", file(label, "pem"))
    }

    private func openssl(_ arguments: String...) async throws {
        try await ChildProcess.must(Self.openssl, arguments)
    }
}
