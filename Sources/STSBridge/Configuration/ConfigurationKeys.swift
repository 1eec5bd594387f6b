import Admin
import CurlHTTPS
import DNSClient
import Discovery
import Logging
import LookupServer
import Monitoring
import PostfixSettings

extension ConfigurationKey {
    /// Every key there is, in the order of the file. README's table is checked against this list.
    static let all: [ConfigurationKey] = listen + postfix + policy + lookup + dns + fetch + cache + admin + http + log

    private static let listen: [ConfigurationKey] = [
        .list(
            "listen.socketmap", \.socketmap,
            "where socketmap is served: `host:port`, `[::1]:port`, `unix:/path`, or `systemd:NAME`, the sockets that a unit passes",
            expected: ListenAddress.forms
        ) { try? ListenAddress($0) },
        .list(
            "listen.tcp-table", \.tcpTable, "where tcp_table is served; for those who cannot use socketmap",
            expected: ListenAddress.forms
        ) { try? ListenAddress($0) },
        .value(
            "listen.socket-mode", \.lookup.socketMode, "permissions of unix sockets",
            expected: "four octal digits in quotes, such as \"0660\""
        ) {
            octalMode($0)
        } format: {
            String(0o10000 + $0, radix: 8).suffix(4).description
        },
        .value(
            "listen.socket-group", \.lookup.socketGroup,
            "group of unix sockets; without it, or where it cannot be given, only the daemon's user and root may connect",
            expected: "a group's name, or nothing"
        ) { text in
            .some(text.isEmpty ? nil : text)
        } format: {
            $0 ?? ""
        },
        .number(
            "listen.max-connections", \.lookup.maximumConnections,
            "connections at once; at the limit the oldest idle one makes room", 1...1_000_000),
    ]

    private static let postfix: [ConfigurationKey] = [
        .value(
            "postfix.version", \.postfix.release,
            """
            `auto`: what `postconf` says, else words that every Postfix since 3.4 knows; from `3.10` on with what TLS \
            reports and exact MX matching need, up to `3.3` without `servername`
            """, expected: "auto, or a version such as 3.7"
        ) { text in
            text == "auto" ? .some(nil) : PostfixRelease(text).map(Optional.some)
        } format: {
            $0.map { "\($0.major).\($0.minor)" + ($0.isSnapshot ? "-snapshot" : "") } ?? "auto"
        },
        .choice(
            "postfix.dane", \.postfix.dane,
            """
            look for DANE (RFC 7672), which goes before MTA-STS: `on`, `off`, or `auto`: where `postconf` says \
            `smtp_dns_support_level = dnssec`, for every service of master.cf that asks the bridge
            """),
        .value(
            "postfix.security-level", \.securityLevel,
            """
            the site's `smtp_tls_security_level`; `auto`: what `postconf` says, `may` without it; `dane` is answered only \
            where it is empty, `none` or `may`, `dane-only` also where it is `encrypt`, `verify` or `secure`
            """,
            expected: "auto, a level of Postfix's such as may or dane, or \"\" for an empty one"
        ) { text in
            if text == "auto" { return .some(nil) }
            return Self.levels.contains(text) ? .some(SecurityLevel(text)) : nil
        } format: {
            $0?.text ?? "auto"
        },
    ]

    private static let policy: [ConfigurationKey] = [
        .choice(
            "policy.no-policy-reply", \.decisions.noPolicyReply,
            """
            for domains without a policy: `not-found`, `may`, `encrypt`, `dane`, or `none`, which tells Postfix not to use \
            TLS at all
            """),
        .flag("policy.enforce-testing", \.decisions.enforceTesting, "treat `mode: testing` like `enforce`"),
        .flag(
            "policy.observe", \.decisions.observes,
            "tell Postfix nothing, and log and count what it would be told; `sts-bridge observe` switches the same at run time"
        ),
    ]

    private static let lookup: [ConfigurationKey] = [
        // Postfix itself gives up after 100 s and defers.
        .duration(
            "lookup.deadline", \.lookup.deadline,
            "Postfix waits at most this long, then hears what is held, or that nothing is known",
            .seconds(1) ... .seconds(90)),
        .choice(
            "lookup.on-unknown", \.decisions.onUnknown,
            """
            `deliver`, or `defer`: hold mail when it cannot be found out whether there is a policy, and none is held
            """),
    ]

    private static let dns: [ConfigurationKey] = [
        .list(
            "dns.servers", \.nameServers, "`ip` or `ip@port`; empty: those of /etc/resolv.conf",
            expected: "ip or ip@port, such as 192.0.2.53, 127.0.0.1@5353, 2001:db8::53"
        ) { try? NameServer($0) },
        .choice(
            "dns.dnssec", \.dnssec,
            "validate for DANE: `on`, `off`, or `auto`: go without DANE while the servers strip DNSSEC"),
        .value(
            "dns.trust-anchor-file", \.trustAnchorFile, "the root's keys (Debian: dns-root-data)",
            expected: "an absolute path"
        ) {
            $0.hasPrefix("/") ? $0 : nil
        } format: {
            $0
        },
        .duration(
            "dns.timeout", \.dnsTimeout,
            "how long one question may take, with all servers and retransmissions",
            .seconds(1) ... .seconds(60)),
    ]

    private static let fetch: [ConfigurationKey] = [
        .duration(
            "fetch.timeout", \.fetchTimeout, "how long one fetch may take, with all addresses of the policy's host",
            .seconds(1) ... .seconds(300)),
        .duration(
            "fetch.retry-after", \.ledger.retryAfter, "the pause after a failed fetch, for the same id",
            .seconds(1) ... .seconds(86_400)),
        .value(
            "fetch.ca-file", \.trust, "PEM file of the CAs that vouch for policy hosts",
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
            "fetch.allow-networks", \.allowedNetworks,
            "networks that are dialled although they are loopback, private, link-local …",
            expected: "networks such as 10.0.0.0/8 or fd00::/8"
        ) { IPNetwork($0) },
        .number(
            "fetch.max-in-flight", \.maximumFetches, "fetches at once; each takes up to 70 KB of memory", 1...1_000),
    ]

    private static let cache: [ConfigurationKey] = [
        .choice(
            "cache.store", \.store,
            """
            `sqlite`: policies are kept in a file; `memory`: a restart forgets every policy, and with it the protection \
            they give
            """
        ).afterRestart,
        .value(
            "cache.path", \.cachePath,
            "the file of the policies that are kept; its directory is made if only that is missing",
            expected: "an absolute path"
        ) { text in
            text.hasPrefix("/") && !text.hasSuffix("/") && !text.contains("\0") ? text : nil
        } format: {
            $0
        }.afterRestart,
        .number(
            "cache.max-domains", \.ledger.maximumDomains, "domains remembered; enforced policies go last",
            1_000...100_000_000
        ).afterRestart,
        .duration(
            "cache.min-ttl", \.ledger.minimumTTL, "TXT and negative answers are kept at least this long",
            .seconds(0) ... .seconds(3_600)),
        .duration(
            "cache.max-ttl", \.ledger.maximumTTL, "TXT and negative answers are kept at most this long",
            .seconds(1) ... .seconds(86_400)),
    ]

    private static let admin: [ConfigurationKey] = [
        .value(
            "admin.socket", \.adminSocket,
            """
            where the operator's commands reach the daemon; its directory must be there; `""`: no commands
            """,
            expected: "an absolute path of at most \(AdminSocket.maximumPath) octets, or nothing"
        ) { text in
            if text.isEmpty { return .some(nil) }
            let isPath = text.hasPrefix("/") && !text.hasSuffix("/") && !text.contains("\0")
            return isPath && text.utf8.count <= AdminSocket.maximumPath ? .some(text) : .none
        } format: {
            $0 ?? ""
        }.afterRestart,
        .value(
            "admin.socket-group", \.adminSocketGroup,
            "group that may use the operator's commands, beside the daemon's user and root; `\"\"`: none",
            expected: "a group's name, or nothing"
        ) { text in
            .some(text.isEmpty ? nil : text)
        } format: {
            $0 ?? ""
        },
    ]

    private static let http: [ConfigurationKey] = [
        .list(
            "http.listen", \.httpListen,
            "where `/metrics`, `/healthz` and `/readyz` are served: `host:port`, `[::1]:port`",
            expected: "host:port or [IPv6]:port"
        ) { text in
            guard case .tcp(let host, let port) = try? ListenAddress(text) else { return nil }
            return MonitoringAddress(host: host, port: port)
        }.afterRestart
    ]

    private static let log: [ConfigurationKey] = [
        .choice(
            "log.level", \.logLevel,
            """
            from which level on: `trace`, `debug`, `info`, `notice`, `warning`, `error`, `critical`; `debug` shows each \
            lookup
            """),
        .choice(
            "log.format", \.logFormat,
            """
            `text`, `json`, or `journal`: text with a priority in front and no time; `text` is written so, too, where \
            systemd's journal listens
            """),
    ]

    /// smtp_tls_security_level of postconf(5).
    private static let levels = [
        "", "none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure", "half-dane",
    ]

    /// All four digits: three could be a decimal number, as 432 is of 0660.
    private static func octalMode(_ text: String) -> UInt32? {
        guard text.utf8.count == 4, text.utf8.allSatisfy({ (0x30...0x37).contains($0) }),
            let mode = UInt32(text, radix: 8), mode <= 0o777
        else { return nil }
        return mode
    }
}
