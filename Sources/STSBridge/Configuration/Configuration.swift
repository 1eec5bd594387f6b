import CurlHTTPS
import Discovery
import Logging
import LookupServer
import PolicyService
import PostfixTable
import UnboundDNS

/// Everything an operator can set, with its defaults. Plain values; `ConfigurationKey` says how each is written.
struct Configuration: Sendable {
    var socketmap: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 8461)]
    var tcpTable: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 8462)]
    var postfixVersion = PostfixVersion.automatic
    var lookup = LookupSettings()
    var decisions = DecisionSettings()
    /// Empty: those of /etc/resolv.conf.
    var nameServers: [NameServer] = []
    var dnsTimeout = Duration.seconds(5)
    var fetchTimeout = Duration.seconds(30)
    var trust = CATrust.system
    var allowedNetworks: [IPNetwork] = []
    var maximumFetches = 64
    var ledger = LedgerSettings()
    var store = CacheStore.sqlite
    /// Absolute.
    var cachePath = "/var/lib/sts-bridge/policies.sqlite"
    var logLevel = Logger.Level.info
    var logFormat = LogFormat.text

    /// The first contradiction between keys, in words; `nil` where there is none.
    var contradiction: (keys: [String], problem: String)? {
        if ledger.minimumTTL > ledger.maximumTTL {
            let (least, most) = (DurationText.format(ledger.minimumTTL), DurationText.format(ledger.maximumTTL))
            return (
                ["cache.min-ttl", "cache.max-ttl"],
                "cache.min-ttl is \(least) and cache.max-ttl \(most); expected min-ttl at most max-ttl"
            )
        }
        if socketmap.isEmpty, tcpTable.isEmpty {
            return (
                ["listen.socketmap", "listen.tcp-table"],
                "listen.socketmap and listen.tcp-table are empty; expected an address, Postfix could ask nobody"
            )
        }
        return nil
    }
}

/// `postfix.version`.
enum PostfixVersion: Equatable, Sendable {
    /// The words that every Postfix since 3.4 (2019) understands.
    case automatic
    case number(major: Int, minor: Int)

    init?(_ text: String) {
        if text == "auto" {
            self = .automatic
            return
        }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count), let major = Int(parts[0]), let minor = Int(parts[1]), (2...99) ~= major,
            (0...99) ~= minor, parts.count == 2 || Int(parts[2]) != nil
        else { return nil }
        self = .number(major: major, minor: minor)
    }

    var dialect: Dialect {
        switch self {
        case .automatic: .classic
        case .number(let major, let minor): (major, minor) < (3, 4) ? .legacy : .classic
        }
    }

    var text: String {
        switch self {
        case .automatic: "auto"
        case .number(let major, let minor): "\(major).\(minor)"
        }
    }
}

/// `cache.store`.
enum CacheStore: String, CaseIterable, Sendable {
    case sqlite
    /// Nothing outlives the process.
    case memory
}

enum LogFormat: String, CaseIterable, Sendable {
    case text
    case json
}
