import CurlHTTPS
import DNSClient
import Discovery
import Logging
import LookupServer
import Monitoring
import PolicyService
import PostfixSettings
import PostfixTable
import UnboundDNS

/// Everything an operator can set, with its defaults. Plain values; `ConfigurationKey` says how each is written.
struct Configuration: Sendable {
    var socketmap: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 8461)]
    var tcpTable: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 8462)]
    /// `postfix.version`, `postfix.dane`. (What is said without a policy is `decisions.noPolicyReply`.)
    var postfix = PostfixChoices()
    /// `nil`: what postconf says.
    var securityLevel: SecurityLevel?
    var lookup = LookupSettings()
    var decisions = DecisionSettings()
    /// Empty: those of /etc/resolv.conf.
    var nameServers: [NameServer] = []
    var dnsTimeout = Duration.seconds(5)
    var dnssec = DNSSECMode.auto
    var trustAnchorFile = TrustAnchors.systemPath
    var fetchTimeout = Duration.seconds(30)
    var trust = CATrust.system
    var allowedNetworks: [IPNetwork] = []
    var maximumFetches = 512
    var ledger = LedgerSettings()
    var store = CacheStore.sqlite
    /// Absolute.
    var cachePath = "/var/lib/sts-bridge/policies.sqlite"
    /// Absolute; `nil`: no operator's API.
    var adminSocket: String? = "/run/sts-bridge/admin.sock"
    /// `nil`: the daemon's user and root alone may give orders.
    var adminSocketGroup: String?
    /// Empty: nothing is served over HTTP.
    var httpListen: [MonitoringAddress] = []
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
        if let collision { return collision }
        if postfix.dane == .on, dnssec == .off {
            return (
                ["postfix.dane", "dns.dnssec"],
                "postfix.dane is on and dns.dnssec off; expected dns.dnssec: auto, there is no DANE without DNSSEC"
            )
        }
        return nil
    }
}

/// `dns.dnssec`.
enum DNSSECMode: String, CaseIterable, Sendable {
    /// Validate, and go without DANE for as long as the servers strip DNSSEC.
    case auto
    case on
    case off
}

/// `cache.store`.
enum CacheStore: String, CaseIterable, Sendable {
    case sqlite
    /// Nothing outlives the process.
    case memory
}

enum LogFormat: String, CaseIterable, Sendable {
    /// Written as `journal` where standard error is the journal's.
    case text
    case json
    /// Text with a priority in front, and without a time.
    case journal
}
