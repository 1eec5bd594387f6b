import Foundation
import Glibc

/// The nginx.conf of the fixture.
struct NginxConfiguration {
    let directory: URL
    let port: UInt16
    let certificates: CertificateFactory
    /// Name of the host below site.test → port of its plain HTTP server.
    let backends: [String: UInt16]

    /// Returns the properties of the request, one in each line.
    static let facts = [
        "request=$request", "host=$http_host", "sni=$ssl_server_name", "uri=$request_uri",
        "agent=$http_user_agent", "accept-encoding=$http_accept_encoding", "if-none-match=$http_if_none_match",
        "if-modified-since=$http_if_modified_since", "range=$http_range", "cookie=$http_cookie",
        "authorization=$http_authorization", "forwarded=$http_x_forwarded_for$http_via", "tls=$ssl_protocol",
        "alpn=$ssl_alpn_protocol", "reused=$ssl_session_reused", "connection=$connection/$connection_requests",
    ]

    func write() throws {
        let page = directory.appending(path: "page")
        try FileManager.default.createDirectory(at: page, withIntermediateDirectories: true)
        for size in [1_000, 65_536, 65_537] {
            try Data(repeating: UInt8(ascii: "x"), count: size).write(to: page.appending(path: "size-\(size)"))
        }
        try text.write(to: directory.appending(path: "nginx.conf"), atomically: true, encoding: .utf8)
    }

    private var text: String {
        """
        \(getuid() == 0 ? "user root;" : "")
        worker_processes 1;
        pid nginx.pid;
        events { worker_connections 2048; }
        http {
            log_format facts '$server_addr $host "$request" $status';
            access_log access.log facts;
            client_body_temp_path tmp-body; proxy_temp_path tmp-proxy; fastcgi_temp_path tmp-fastcgi;
            uwsgi_temp_path tmp-uwsgi; scgi_temp_path tmp-scgi;
            default_type text/plain;
            server_names_hash_bucket_size 128;
            ssl_certificate_key \(certificates.key);
            ssl_protocols TLSv1.2 TLSv1.3;
        \(servers.joined(separator: "\n"))
        }
        """
    }

    private var servers: [String] {
        // The first server of an address answers without SNI; its certificate matches no policy host (pitfall 23).
        var servers = [server("provider.test", certificate: certificateCases[0].recipe, body: "return 421;")]
        servers += certificateCases.map { server($0.recipe.host, certificate: $0.recipe, body: "return 200 'ok';") }
        let facts = Self.facts.map { $0 + "\\n" }.joined()
        servers += [
            server("echo", locations: "return 200 '\(facts)';"),
            server(
                "cached",
                locations: "add_header Cache-Control max-age=3600; add_header ETag '\"1\"'; return 200 '\(facts)';"),
            server("http2-only", locations: "if ($server_protocol != HTTP/2.0) { return 505; } return 200 '\(facts)';"),
            server("redirect", locations: "return 301 https://target.site.test/.well-known/mta-sts.txt;"),
            server("found", locations: "return 302 https://target.site.test/.well-known/mta-sts.txt;"),
            server("target", locations: "return 200 'version: STSv1';"),
            server("gzip", locations: "add_header Content-Encoding gzip; return 200 'no matter';"),
            server("identity", locations: "add_header Content-Encoding identity; return 200 'plain';"),
            server("typed-twice", locations: "add_header Content-Type text/plain; return 200 'policy';"),
            server("drip", locations: "limit_rate 10; alias page/size-1000;"),
        ]
        for status in [203, 204, 206, 304, 401, 403, 404, 500, 503] {
            servers.append(server("status-\(status)", locations: "return \(status);"))
        }
        for size in [65_536, 65_537] { servers.append(server("size-\(size)", locations: "alias page/size-\(size);")) }
        for (name, port) in backends {
            servers.append(server(name, locations: "proxy_buffering off; proxy_pass http://127.0.0.1:\(port);"))
        }
        servers.append(oldTLS)
        return servers
    }

    private func server(_ name: String, locations body: String) -> String {
        server("\(name).site.test", certificate: .general, body: body)
    }

    private func server(_ host: String, certificate: CertificateRecipe, body: String) -> String {
        """
            server {
                listen \(NginxFixture.general):\(port) ssl http2; listen [::1]:\(port) ssl http2;
                listen \(NginxFixture.onlyHTTP1):\(port) ssl;
                server_name \(host);
                ssl_certificate \(certificates.chain(certificate));
                location = /.well-known/mta-sts.txt { \(body) }
            }
        """
    }

    private var oldTLS: String {
        """
            server {
                listen \(NginxFixture.onlyOldTLS):\(port) ssl;
                server_name echo.site.test;
                ssl_certificate \(certificates.chain(.general));
                ssl_protocols TLSv1.1;
                ssl_ciphers DEFAULT:@SECLEVEL=0;
                location / { return 200 'old'; }
            }
        """
    }
}
