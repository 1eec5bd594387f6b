import PostfixConfig
import PostfixTable

/// The part of the bridge's configuration that must agree with this host.
package struct DaemonConfiguration: Sendable {
    /// `dns.dnssec`
    package enum DNSSEC: Sendable {
        case auto, on, off
    }

    package struct Listener: Hashable, Sendable {
        package enum Table: String, Sendable {
            case socketmap
            case tcp = "tcp_table"
        }

        package let table: Table
        /// Unix paths are absolute.
        package let address: TableAddress
        /// Whether the service manager passes the socket: then its unit sets address and mode.
        package let isPassed: Bool

        package init(_ table: Table, address: TableAddress, isPassed: Bool = false) {
            self.table = table
            self.address = address
            self.isPassed = isPassed
        }
    }

    /// Includes sockets that the service manager passes, if their addresses are known.
    package var listeners: [Listener]
    /// Names of sockets that the service manager passes, as long as their addresses are unknown.
    package var passedSockets: [String]
    /// The protocol of all passed sockets; `nil`: they differ.
    package var passedTable: Listener.Table?
    /// `postfix.version`, `postfix.dane` and `policy.no-policy-reply`.
    package var options: PostfixOptions
    /// `postfix.security-level`; `nil`: auto.
    package var securityLevel: SecurityLevel?
    package var dnssec: DNSSEC
    /// `dns.servers`; empty: the system's servers.
    package var nameServers: [NameServerAddress]
    /// `dns.timeout`
    package var dnsTimeout: Duration
    /// `lookup.deadline`
    package var lookupDeadline: Duration
    /// `cache.path`; `nil`: the cache is in memory only.
    package var cachePath: String?
    /// `admin.socket`; `nil`: there is none.
    package var adminSocket: String?

    /// Whether the running daemon looks for DANE; `nil`: unknown.
    package var daemonLooksForDANE: Bool?
    /// The security level that the running daemon uses; `nil`: unknown.
    package var daemonSecurityLevel: SecurityLevel?

    package init(
        listeners: [Listener], passedSockets: [String] = [], options: PostfixOptions = PostfixOptions(),
        securityLevel: SecurityLevel? = nil,
        dnssec: DNSSEC = .auto, nameServers: [NameServerAddress] = [], dnsTimeout: Duration = .seconds(5),
        lookupDeadline: Duration = .seconds(20), cachePath: String? = nil, adminSocket: String? = nil
    ) {
        self.listeners = listeners
        self.passedSockets = passedSockets
        self.options = options
        self.securityLevel = securityLevel
        self.dnssec = dnssec
        self.nameServers = nameServers
        self.dnsTimeout = dnsTimeout
        self.lookupDeadline = lookupDeadline
        self.cachePath = cachePath
        self.adminSocket = adminSocket
    }
}

extension DaemonConfiguration {
    /// Whether the configuration, with this Postfix, makes the bridge look for DANE. The running daemon may differ.
    func wantsDANE(beside local: PostfixProfile?) -> Bool { dnssec != .off && options.wantsDANE(beside: local) }

    /// The level that decides the bridge's replies about DANE: that of the running daemon, if known.
    ///
    /// - Parameter local: the Postfix on this host.
    func level(beside local: PostfixProfile?) -> SecurityLevel {
        daemonSecurityLevel ?? securityLevel ?? local?.securityLevel ?? SecurityLevel("may")
    }

    /// Adds the settings that only the running daemon knows.
    mutating func take(_ daemon: DaemonStatus) {
        daemonLooksForDANE = daemon.dane != .off
        daemonSecurityLevel = daemon.securityLevel.map { SecurityLevel($0) }
        take(passed: daemon.passedSockets)
    }

    /// - Parameter sockets: all sockets that the service manager passes.
    mutating func take(passed sockets: [Listener]) {
        guard !sockets.isEmpty else { return }
        listeners += sockets
        passedSockets = []
    }
}

/// A DNS server: `ip` or `ip%scope`, and its port.
package struct NameServerAddress: Hashable, Sendable, CustomStringConvertible {
    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16 = 53) {
        self.host = host
        self.port = port
    }

    package var description: String { port == 53 ? host : "\(host)@\(port)" }
}
