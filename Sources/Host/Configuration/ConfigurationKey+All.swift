import CurlHTTPS
import Discovery
import DNSClient
import LocalSystem
import Logging
import PostfixConfig
import TableServer
import UnixSockets

extension ConfigurationKey {
    /// All keys, in the order of the file.
    package static let all: [ConfigurationKey] =
        listen + postfix + policy + lookup + dns + fetch + cache + admin + http + log

    private static let listen: [ConfigurationKey] = [
        .list(
            "listen.socketmap", at: \.socketmap,
            meaning: """
                addresses of the socketmap service: `host:port`, `[::1]:port`, `unix:/path`, or `systemd:NAME` for \
                the sockets that a systemd unit passes
                """,
            expected: ListenAddress.forms
        ) { try? ListenAddress($0) },
        .list(
            "listen.tcp-table", at: \.tcpTable,
            meaning: "addresses of the tcp_table service, for a Postfix that cannot use socketmap",
            expected: ListenAddress.forms
        ) { try? ListenAddress($0) },
        .value(
            "listen.socket-mode", at: \.lookup.socketMode,
            meaning: "permissions of unix sockets",
            expected: "four octal digits in quotes, such as \"0660\""
        ) {
            octalMode($0)
        } format: {
            String(0o10000 + $0, radix: 8).suffix(4).description
        },
        .value(
            "listen.socket-group", at: \.lookup.socketGroup,
            meaning: """
                group of unix sockets; if it is empty or cannot be set, only root and the daemon's user may connect
                """,
            expected: "the name of a group, or \"\""
        ) { text in
            .some(text.isEmpty ? nil : text)
        } format: {
            $0 ?? ""
        },
        .number(
            "listen.max-connections", at: \.lookup.maximumConnections,
            meaning: "maximum number of connections; at the limit, a new connection replaces the oldest idle one",
            in: 1...1_000_000),
    ]

    private static let postfix: [ConfigurationKey] = [
        .value(
            "postfix.version", at: \.postfix.release,
            meaning: """
                `auto`: the version that `postconf` reports, or else the reply syntax that every Postfix since 3.4 \
                understands; from `3.10` on, replies contain the attributes for TLS reports and exact MX matching; \
                up to `3.3`, they omit `servername`
                """, expected: "auto, or a version such as 3.7"
        ) { text in
            text == "auto" ? .some(nil) : PostfixRelease(text).map(Optional.some)
        } format: {
            $0.map { "\($0.major).\($0.minor)" + ($0.isSnapshot ? "-snapshot" : "") } ?? "auto"
        },
        .choice(
            "postfix.dane", at: \.postfix.dane,
            meaning: """
                look up DANE records (RFC 7672), which take precedence over MTA-STS: `on`, `off`, or `auto`: if \
                `postconf` reports `smtp_dns_support_level = dnssec` for every service of master.cf that uses the \
                bridge
                """),
        .value(
            "postfix.security-level", at: \.securityLevel,
            meaning: """
                the site's `smtp_tls_security_level`; `auto`: the level that `postconf` reports, or else `may`; the \
                daemon replies `dane` only if the level is empty, `none` or `may`, and `dane-only` also if it is \
                `encrypt`, `verify` or `secure`
                """,
            expected: "auto, a level such as may or dane, or \"\" for an empty one"
        ) { text in
            if text == "auto" { return .some(nil) }
            return Self.levels.contains(text) ? .some(SecurityLevel(text)) : nil
        } format: {
            $0?.text ?? "auto"
        },
    ]

    private static let policy: [ConfigurationKey] = [
        .choice(
            "policy.no-policy-reply", at: \.decisions.noPolicyReply,
            meaning: """
                reply for domains without a policy: `not-found`, `may`, `encrypt`, `dane`, or `none`, which makes \
                Postfix deliver without TLS
                """),
        .flag(
            "policy.enforce-testing", at: \.decisions.enforceTesting,
            meaning: "treat `mode: testing` like `enforce`"),
        .flag(
            "policy.observe", at: \.decisions.observes,
            meaning: """
                reply `not-found` to every lookup, and log and count the reply that would have been sent; \
                `sts-bridge observe` changes this at run time
                """
        ),
    ]

    private static let lookup: [ConfigurationKey] = [
        // Postfix closes the connection after 100 s and defers the mail.
        .duration(
            "lookup.deadline", at: \.lookup.deadline,
            meaning: """
                maximum time of a lookup; after it, the reply uses the cached policy, or follows `lookup.on-unknown`
                """, in: .seconds(1) ... .seconds(90)),
        .choice(
            "lookup.on-unknown", at: \.decisions.onUnknown,
            meaning: """
                `deliver`, or `defer`: defer mail if it cannot be found out whether the domain has a policy, and no \
                policy is cached
                """),
    ]

    private static let dns: [ConfigurationKey] = [
        .list(
            "dns.servers", at: \.nameServers,
            meaning: "DNS servers, `ip` or `ip@port`; empty: the servers in /etc/resolv.conf",
            expected: "ip or ip@port, such as 192.0.2.53, 127.0.0.1@5353, 2001:db8::53"
        ) { try? NameServer($0) },
        .choice(
            "dns.dnssec", at: \.dnssec,
            meaning: """
                validate DNSSEC, which DANE needs: `on`, `off`, or `auto`: skip DANE while the DNS servers strip \
                DNSSEC
                """),
        .value(
            "dns.trust-anchor-file", at: \.trustAnchorFile,
            meaning: "trust anchors of the DNS root zone (Debian: package dns-root-data)",
            expected: "an absolute path"
        ) {
            $0.hasPrefix("/") ? $0 : nil
        } format: {
            $0
        },
        .duration(
            "dns.timeout", at: \.dnsTimeout,
            meaning: "maximum time of one DNS query, over all servers and retransmissions",
            in: .seconds(1) ... .seconds(60)),
    ]

    private static let fetch: [ConfigurationKey] = [
        .duration(
            "fetch.timeout", at: \.fetchTimeout,
            meaning: "maximum time of one policy fetch, over all addresses of the policy host",
            in: .seconds(1) ... .seconds(300)),
        .duration(
            "fetch.retry-after", at: \.cache.retryAfter,
            meaning: "pause after a failed fetch before the same policy id is fetched again",
            in: .seconds(1) ... .seconds(86_400)),
        .value(
            "fetch.ca-file", at: \.trust,
            meaning: "PEM file of the CA certificates for policy hosts; `system`: the CA certificates of this host",
            expected: "system, or the absolute path of a PEM file"
        ) { text in
            text == "system" ? .system : text.hasPrefix("/") ? .file(text) : nil
        } format: { trust in
            switch trust {
            case .system: "system"
            case .file(let path): path
            }
        },
        .list(
            "fetch.allow-networks", at: \.allowedNetworks,
            meaning: """
                networks that may be connected to although they are loopback, private, link-local or otherwise not \
                public
                """,
            expected: "networks such as 10.0.0.0/8 or fd00::/8"
        ) { IPNetwork($0) },
        .number(
            "fetch.max-in-flight", at: \.maximumFetches,
            meaning: "maximum number of concurrent fetches; each uses up to 70 KB of memory", in: 1...1_000),
    ]

    private static let cache: [ConfigurationKey] = [
        .choice(
            "cache.store", at: \.store,
            meaning: """
                `sqlite`: policies are stored in a file; `memory`: a restart loses every policy, and the protection \
                that it gives
                """
        ).afterRestart,
        .value(
            "cache.path", at: \.cachePath,
            meaning: "the cache file; its directory is created if the parent directory exists",
            expected: "an absolute path"
        ) { text in
            text.hasPrefix("/") && !text.hasSuffix("/") && !text.contains("\0") ? text : nil
        } format: {
            $0
        }.afterRestart,
        .number(
            "cache.max-domains", at: \.cache.maximumDomains,
            meaning: "maximum number of domains in the cache; enforced policies are evicted last",
            in: 1_000...100_000_000
        ).afterRestart,
        .duration(
            "cache.min-ttl", at: \.cache.minimumTTL,
            meaning: "minimum time that TXT records and negative answers are cached",
            in: .seconds(0) ... .seconds(3_600)),
        .duration(
            "cache.max-ttl", at: \.cache.maximumTTL,
            meaning: "maximum time that TXT records and negative answers are cached",
            in: .seconds(1) ... .seconds(86_400)),
    ]

    private static let admin: [ConfigurationKey] = [
        .value(
            "admin.socket", at: \.adminSocket,
            meaning: """
                unix socket for the operator's commands; its directory must exist; `""`: no operator's commands
                """,
            expected: "an absolute path of at most \(UnixSocketFile.maximumPathWithDirectory) octets, or \"\""
        ) { text in
            if text.isEmpty { return .some(nil) }
            let isPath = text.hasPrefix("/") && !text.hasSuffix("/") && !text.contains("\0")
            return isPath && text.utf8.count <= UnixSocketFile.maximumPathWithDirectory ? .some(text) : .none
        } format: {
            $0 ?? ""
        }.afterRestart,
        .value(
            "admin.socket-group", at: \.adminSocketGroup,
            meaning: "group that may use the operator's commands, besides root and the daemon's user; `\"\"`: none",
            expected: "the name of a group, or \"\""
        ) { text in
            .some(text.isEmpty ? nil : text)
        } format: {
            $0 ?? ""
        },
    ]

    private static let http: [ConfigurationKey] = [
        .list(
            "http.listen", at: \.httpListen,
            meaning: "addresses that serve `/metrics`, `/healthz` and `/readyz`: `host:port`, `[::1]:port`",
            expected: "host:port or [IPv6]:port"
        ) { text in
            guard case .tcp(let host, let port) = try? ListenAddress(text) else { return nil }
            return TCPAddress(host: host, port: port)
        }.afterRestart
    ]

    private static let log: [ConfigurationKey] = [
        .choice(
            "log.level", at: \.logLevel,
            meaning: """
                lowest level that is logged: `trace`, `debug`, `info`, `notice`, `warning`, `error`, `critical`; \
                `debug` shows each lookup
                """),
        .choice(
            "log.format", at: \.logFormat,
            meaning: """
                `text`, `json`, or `journal`: text with a priority in front and without a time; `text` means \
                `journal` if standard error is connected to systemd's journal
                """),
    ]

    /// The values of smtp_tls_security_level in postconf(5).
    private static let levels = [
        "", "none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure", "half-dane",
    ]

    /// Requires four digits: YAML's 0660 without quotes is the decimal number 432, which also looks octal.
    private static func octalMode(_ text: String) -> UInt32? {
        guard text.utf8.count == 4, text.utf8.allSatisfy({ (0x30...0x37).contains($0) }),
            let mode = UInt32(text, radix: 8), mode <= 0o777
        else { return nil }
        return mode
    }
}
