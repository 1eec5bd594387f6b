import CurlHTTPS
import Discovery
import DNSClient
import LocalSystem
import Logging
import PolicyCaching
import PostfixConfig
import PostfixTable
import TableServer
import UnboundDNS

/// The value of every configuration key, with the defaults. `ConfigurationKey` defines how each value is written.
///
/// Not here: files and the environment (`ConfigurationReader`), the effect of a value (the modules that use it).
package struct Configuration: Sendable {
    package var socketmap: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 8461)]
    package var tcpTable: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 8462)]
    /// `postfix.version`, `postfix.dane`. The reply for domains without a policy is in `decisions.noPolicyReply`.
    package var postfix = PostfixOptions()
    /// `nil`: the level that postconf reports.
    package var securityLevel: SecurityLevel?
    package var lookup = LookupSettings()
    package var decisions = DecisionSettings()
    /// Empty: the servers in /etc/resolv.conf.
    package var nameServers: [NameServer] = []
    package var dnsTimeout = Duration.seconds(5)
    package var dnssec = DNSSECMode.auto
    package var trustAnchorFile = TrustAnchors.systemPath
    package var fetchTimeout = Duration.seconds(30)
    package var trust = CATrust.system
    package var allowedNetworks: [IPNetwork] = []
    package var maximumFetches = 512
    package var cache = CacheSettings()
    package var store = CacheStore.sqlite
    /// Absolute.
    package var cachePath = "/var/lib/sts-bridge/policies.sqlite"
    /// Absolute; `nil`: no admin API.
    package var adminSocket: String? = "/run/sts-bridge/admin.sock"
    /// `nil`: only root and the daemon's user may use the admin socket.
    package var adminSocketGroup: String?
    /// Empty: no HTTP listener.
    package var httpListen: [TCPAddress] = []
    package var logLevel = Logger.Level.info
    package var logFormat = LogFormat.text

    package init() {}

    /// The first contradiction between keys, with a message; `nil` if there is none.
    var contradiction: (keys: [String], problem: String)? {
        if cache.minimumTTL > cache.maximumTTL {
            let (minimum, maximum) = (DurationFormat.format(cache.minimumTTL), DurationFormat.format(cache.maximumTTL))
            return (
                ["cache.min-ttl", "cache.max-ttl"],
                "cache.min-ttl is \(minimum) and cache.max-ttl is \(maximum); expected min-ttl at most max-ttl"
            )
        }
        if socketmap.isEmpty, tcpTable.isEmpty {
            return (
                ["listen.socketmap", "listen.tcp-table"],
                "listen.socketmap and listen.tcp-table are empty; expected an address for Postfix to connect to"
            )
        }
        if let addressConflict { return addressConflict }
        if postfix.dane == .on, dnssec == .off {
            return (
                ["postfix.dane", "dns.dnssec"],
                "postfix.dane is on and dns.dnssec is off; expected dns.dnssec: auto, because DANE needs DNSSEC"
            )
        }
        return nil
    }
}

/// `dns.dnssec`.
package enum DNSSECMode: String, CaseIterable, Sendable {
    /// Validate, but skip DANE while the DNS servers strip DNSSEC.
    case auto
    case on
    case off
}

/// `cache.store`.
package enum CacheStore: String, CaseIterable, Sendable {
    case sqlite
    /// The policies are lost when the process ends.
    case memory
}

/// `log.format`.
package enum LogFormat: String, CaseIterable, Sendable {
    /// Written as `journal` if standard error is connected to systemd's journal.
    case text
    case json
    /// Text with a priority in front, and without a time.
    case journal
}
