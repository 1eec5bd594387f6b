import Foundation

/// The web server of the test network: one nginx with a virtual host for each policy host.
///
/// A client without the right SNI gets a certificate for another name.
/// Changes restart it, because old workers answer for a while after a reload.
actor NginxServer {
    private let directory: String
    private let authority: CertificateAuthority
    private var process: ChildProcess?
    private var certificates: [String: String] = [:]

    /// One line for each request, separated by blanks: host, method, URI, status, protocol, If-None-Match, If-Modified-Since,
    /// Accept-Encoding, User-Agent (the last one to the end of the line).
    nonisolated let access: LogFile

    init(in directory: String, authority: CertificateAuthority) throws {
        self.directory = directory
        self.authority = authority
        self.access = LogFile(path: directory + "/access.log")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    /// The access-log lines of one virtual host.
    nonisolated func requests(to host: String) -> [String] {
        access.lines().filter { $0.hasPrefix(host + " ") }
    }

    func serve(_ domains: [TestDomain]) async throws {
        try await stop()
        let fallback = try await authority.issue(.naming(["fallback.example"]), as: "fallback")
        var servers = PolicyHost.listening.map { address in
            let versions = address == PolicyHost.oldTLS ? "ssl_protocols TLSv1.1; ssl_ciphers DEFAULT@SECLEVEL=0;" : ""
            let settings = Self.settings(certificate: fallback, key: authority.key) + versions
            return "server { listen \(Self.listen(address)) default_server; \(settings) return 404; }"
        }
        for domain in domains {
            guard let host = domain.policyHost else { continue }
            servers.append(try await server(for: host, named: domain.policyHostName))
        }
        try configuration(servers).write(toFile: directory + "/nginx.conf", atomically: false, encoding: .utf8)
        try await start()
    }

    func stop() async throws {
        try await process?.end()
        process = nil
    }

    func start() async throws {
        let log = LogFile(path: directory + "/nginx.log")
        let arguments = ["-p", directory, "-c", directory + "/nginx.conf", "-e", "stderr"]
        let process = try ChildProcess("/usr/sbin/nginx", arguments: arguments, log: log)
        self.process = process
        _ = try await eventually("nginx listens") {
            if process.status != nil { throw TestNetworkError("nginx ended: \(log.text())") }
            return TCPConnection.canConnect(to: PolicyHost.usual, port: 443) ? true : nil
        }
    }

    private func server(for host: PolicyHost, named name: String) async throws -> String {
        let root = "\(directory)/www/\(name)"
        var files = host.files.mapValues { Data($0.utf8) }
        files["/.well-known/mta-sts.txt"] = host.body
        for (path, content) in files {
            let file = URL(filePath: root + path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try content.write(to: file)
        }
        let certificate = try await certificate(of: host, for: name)
        let listens = host.addresses.filter(PolicyHost.listening.contains).map { "listen \(Self.listen($0));" }
        return """
            server {
                \(listens.joined(separator: " ")) server_name \(name);
                \(Self.settings(certificate: certificate, key: authority.key))
                root \(root);
                \(host.server)
                location = /.well-known/mta-sts.txt { types { } \(host.location) }
            }
            """
    }

    /// Makes each certificate once, because this takes time.
    private func certificate(of host: PolicyHost, for name: String) async throws -> String {
        let wanted = host.certificate ?? .naming([name])
        let key = "\(wanted)"
        if let path = certificates[key] { return path }
        let path = try await authority.issue(wanted, as: "\(name)-\(certificates.count)")
        certificates[key] = path
        return path
    }

    private static func listen(_ address: String) -> String {
        let endpoint = address.contains(":") ? "[\(address)]:443" : "\(address):443"
        return endpoint + (address == PolicyHost.withoutHTTP2 ? " ssl" : " ssl http2")
    }

    private static func settings(certificate: String, key: String) -> String {
        " ssl_certificate \(certificate); ssl_certificate_key \(key);"
    }

    private func configuration(_ servers: [String]) -> String {
        """
        daemon off;
        master_process off;
        pid \(directory)/nginx.pid;
        events { }
        http {
            log_format test '$host $request_method $request_uri $status $server_protocol "$http_if_none_match" '
                '"$http_if_modified_since" "$http_accept_encoding" $http_user_agent';
            access_log \(access.path) test;
            server_names_hash_max_size 8192;
            server_names_hash_bucket_size 256;
            client_body_temp_path \(directory)/tmp1; proxy_temp_path \(directory)/tmp2;
            fastcgi_temp_path \(directory)/tmp3; uwsgi_temp_path \(directory)/tmp4; scgi_temp_path \(directory)/tmp5;
            \(servers.joined(separator: "\n"))
        }

        """
    }
}
