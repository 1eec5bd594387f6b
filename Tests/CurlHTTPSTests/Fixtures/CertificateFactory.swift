import Foundation

/// A test certificate for the openssl command.
struct CertificateRecipe: Sendable {
    enum Issuer: Sendable {
        /// Signed by the intermediate of the trusted root. The server sends the intermediate.
        case trusted
        /// The same, but the server does not send the intermediate.
        case trustedButIncomplete
        /// Signed by an unknown root. The server does not send the root.
        case unknown
        /// The same, and the server sends the root.
        case unknownWithRoot
        /// Self-signed.
        case itself
    }

    /// The server name (SNI).
    var host: String
    var commonName = "nginx"
    /// In the form of openssl's subjectAltName; empty for a certificate without one.
    var names: [String] = []
    var issuer = Issuer.trusted
    var validFrom = "20200101000000Z"
    var validUntil = "20990101000000Z"
    var usage = "serverAuth"

    /// The usual case.
    static let general = CertificateRecipe(host: "general", names: ["DNS:*.site.test"])
}

/// Creates test certificates with the openssl command, in a separate directory.
struct CertificateFactory: Sendable {
    let directory: URL

    var root: String { path("root.pem") }
    var otherRoot: String { path("other.pem") }
    var key: String { path("leaf.key") }

    /// The file with the leaf and further certificates, for nginx.
    func chain(_ recipe: CertificateRecipe) -> String { path("\(recipe.host).chain.pem") }

    /// Creates keys, two roots and an intermediate.
    func open() throws {
        for name in ["root", "other", "intermediate", "leaf"] {
            try openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", path("\(name).key"))
        }
        for name in ["root", "other"] {
            try openssl(
                "req", "-x509", "-new", "-key", path("\(name).key"), "-subj", "/CN=\(name) authority", "-days", "3650",
                "-out", path("\(name).pem"))
            try Data().write(to: directory.appending(path: "\(name).index"))
        }
        try Data().write(to: directory.appending(path: "intermediate.index"))
        for name in ["intermediate", "leaf"] {
            try openssl("req", "-new", "-key", path("\(name).key"), "-subj", "/CN=\(name)", "-out", path("\(name).csr"))
        }
        try sign(
            request: "intermediate", by: "root", subject: "/CN=intermediate authority",
            extensions: "basicConstraints=critical,CA:true\nkeyUsage=keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n",
            from: "20200101000000Z", until: "20990101000000Z", into: "intermediate.pem")
    }

    func make(_ recipe: CertificateRecipe) throws {
        var extensions = "basicConstraints=CA:false\nextendedKeyUsage=\(recipe.usage)\n"
        if !recipe.names.isEmpty { extensions += "subjectAltName=\(recipe.names.joined(separator: ","))\n" }
        let (issuer, companions): (String, [String]) =
            switch recipe.issuer {
            case .trusted: ("intermediate", ["intermediate.pem"])
            case .trustedButIncomplete: ("intermediate", [])
            case .unknown: ("other", [])
            case .unknownWithRoot: ("other", ["other.pem"])
            case .itself: ("leaf", [])
            }
        let leaf = "\(recipe.host).pem"
        try sign(
            request: "leaf", by: issuer, subject: "/CN=\(recipe.commonName)", extensions: extensions,
            from: recipe.validFrom, until: recipe.validUntil, into: leaf)
        let parts = try ([leaf] + companions).map { try String(contentsOfFile: path($0), encoding: .utf8) }
        try parts.joined(separator: "\n").write(toFile: chain(recipe), atomically: true, encoding: .utf8)
    }

    private func sign(
        request: String, by issuer: String, subject: String, extensions: String, from: String, until: String,
        into file: String
    ) throws {
        let configuration = """
            [ca]
            default_ca = this
            [this]
            database = \(path("\(issuer).index"))
            new_certs_dir = \(directory.path)
            default_md = sha256
            policy = any
            unique_subject = no
            rand_serial = yes
            x509_extensions = leaf
            [any]
            commonName = optional
            [leaf]
            \(extensions)
            """
        let configurationPath = path("ca.cnf")
        try configuration.write(toFile: configurationPath, atomically: true, encoding: .utf8)
        try Data().write(to: directory.appending(path: "\(issuer).index"))
        let signer =
            issuer == request
            ? ["-selfsign"] : ["-cert", path("\(issuer).pem")]
        try openssl(
            ["ca", "-batch", "-notext", "-config", configurationPath, "-in", path("\(request).csr")]
                + signer
                + [
                    "-keyfile", path("\(issuer).key"), "-subj", subject, "-startdate", from, "-enddate", until,
                    "-out", path(file),
                ])
    }

    private func path(_ name: String) -> String { directory.appending(path: name).path }

    private func openssl(_ arguments: String...) throws { try openssl(arguments) }

    private func openssl(_ arguments: [String]) throws {
        try Command.run("openssl", arguments: arguments)
    }
}

/// Runs a command that must succeed.
enum Command {
    struct CommandError: Error, CustomStringConvertible {
        let description: String
    }

    static func run(_ name: String, arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [name] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw CommandError(description: "\(name) \(arguments.joined(separator: " ")): \(text)")
        }
    }
}
