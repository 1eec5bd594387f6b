import Admin
import CurlHTTPS
import Discovery
import Logging
import LookupServer
import PostfixSettings
import UnboundDNS

extension ConfigurationKey {
    /// Every key there is, in the order of the file. README's table is checked against this list.
    static let all: [ConfigurationKey] = listen + postfix + lookup + dns + fetch + cache + admin + log

    private static let listen: [ConfigurationKey] = [
        .list("listen.socketmap", \.socketmap, expected: addressForms) { try? ListenAddress($0) },
        .list("listen.tcp-table", \.tcpTable, expected: addressForms) { try? ListenAddress($0) },
        .value("listen.socket-mode", \.lookup.socketMode, expected: "four octal digits in quotes, such as \"0660\"") {
            octalMode($0)
        } format: {
            "0" + String($0, radix: 8)
        },
        .value("listen.socket-group", \.lookup.socketGroup, expected: "a group's name, or nothing") { text in
            .some(text.isEmpty ? nil : text)
        } format: {
            $0 ?? ""
        },
        .number("listen.max-connections", \.lookup.maximumConnections, 1...1_000_000),
    ]

    private static let postfix: [ConfigurationKey] = [
        .value("postfix.version", \.postfix.release, expected: "auto, or a version such as 3.7") { text in
            text == "auto" ? .some(nil) : PostfixRelease(text).map(Optional.some)
        } format: {
            $0.map { "\($0.major).\($0.minor)" } ?? "auto"
        },
        .choice("postfix.dane", \.postfix.dane),
        .value("postfix.security-level", \.securityLevel, expected: "auto, or a level of Postfix's such as may or dane")
        {
            text in
            if text == "auto" { return .some(nil) }
            return Self.levels.contains(text) ? .some(SecurityLevel(text)) : nil
        } format: {
            $0?.word ?? "auto"
        },
        .choice("policy.no-policy-reply", \.decisions.noPolicyReply),
        .flag("policy.enforce-testing", \.decisions.enforceTesting),
        .flag("policy.observe", \.decisions.observes),
    ]

    private static let lookup: [ConfigurationKey] = [
        // Postfix itself gives up after 100 s and defers.
        .duration("lookup.deadline", \.lookup.deadline, .seconds(1) ... .seconds(90)),
        .choice("lookup.on-unknown", \.decisions.onUnknown),
    ]

    private static let dns: [ConfigurationKey] = [
        .list("dns.servers", \.nameServers, expected: "ip or ip@port, such as 192.0.2.53, 127.0.0.1@5353, 2001:db8::53")
        {
            try? NameServer($0)
        },
        .choice("dns.dnssec", \.dnssec),
        .value("dns.trust-anchor-file", \.trustAnchorFile, expected: "an absolute path") {
            $0.hasPrefix("/") ? $0 : nil
        } format: {
            $0
        },
        .duration("dns.timeout", \.dnsTimeout, .seconds(1) ... .seconds(60)),
    ]

    private static let fetch: [ConfigurationKey] = [
        .duration("fetch.timeout", \.fetchTimeout, .seconds(1) ... .seconds(300)),
        .duration("fetch.retry-after", \.ledger.retryAfter, .seconds(1) ... .seconds(86_400)),
        .value("fetch.ca-file", \.trust, expected: "system, or the absolute path of a PEM file") { text in
            text == "system" ? .system : text.hasPrefix("/") ? .file(text) : nil
        } format: { trust in
            switch trust {
            case .system: "system"
            case .file(let path): path
            }
        },
        .list("fetch.allow-networks", \.allowedNetworks, expected: "networks such as 10.0.0.0/8 or fd00::/8") {
            IPNetwork($0)
        },
        .number("fetch.max-in-flight", \.maximumFetches, 1...1_000),
    ]

    private static let cache: [ConfigurationKey] = [
        .choice("cache.store", \.store),
        .value("cache.path", \.cachePath, expected: "an absolute path") { text in
            text.hasPrefix("/") && !text.hasSuffix("/") && !text.contains("\0") ? text : nil
        } format: {
            $0
        },
        .number("cache.max-domains", \.ledger.maximumDomains, 1_000...100_000_000),
        .duration("cache.min-ttl", \.ledger.minimumTTL, .seconds(0) ... .seconds(3_600)),
        .duration("cache.max-ttl", \.ledger.maximumTTL, .seconds(1) ... .seconds(86_400)),
    ]

    private static let admin: [ConfigurationKey] = [
        .value(
            "admin.socket", \.adminSocket,
            expected: "an absolute path of at most \(AdminSocket.maximumPath) octets, or nothing"
        ) { text in
            if text.isEmpty { return .some(nil) }
            let isPath = text.hasPrefix("/") && !text.hasSuffix("/") && !text.contains("\0")
            return isPath && text.utf8.count <= AdminSocket.maximumPath ? .some(text) : .none
        } format: {
            $0 ?? ""
        }
    ]

    private static let log: [ConfigurationKey] = [
        .choice("log.level", \.logLevel),
        .choice("log.format", \.logFormat),
    ]

    /// smtp_tls_security_level of postconf(5).
    private static let levels = [
        "none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure", "half-dane",
    ]

    private static let addressForms = "host:port, [IPv6]:port or unix:/path"

    private static func octalMode(_ text: String) -> UInt32? {
        guard (3...4).contains(text.utf8.count), let mode = UInt32(text, radix: 8), mode <= 0o777 else { return nil }
        return mode
    }
}

extension SecurityLevel {
    /// As Postfix writes it.
    fileprivate var word: String {
        switch self {
        case .opportunistic(let word), .other(let word): word
        }
    }
}
