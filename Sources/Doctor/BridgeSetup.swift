import PostfixSettings
import PostfixTable

/// What the bridge is told to do, as far as this host must go with it.
package struct BridgeSetup: Sendable {
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
        /// The service manager's: its unit says where it is, and with which mode.
        package let isPassed: Bool

        package init(_ table: Table, _ address: TableAddress, isPassed: Bool = false) {
            self.table = table
            self.address = address
            self.isPassed = isPassed
        }
    }

    /// Also those that the service manager passes, if it is known where they are.
    package var listeners: [Listener]
    /// Names of sockets that the service manager passes, as long as nobody knows where they are.
    package var passedSockets: [String]
    /// Which table all of them serve; `nil`: not the same.
    package var passedTable: Listener.Table?
    /// `postfix.version`, `postfix.dane` and `policy.no-policy-reply`.
    package var choices: PostfixChoices
    /// `postfix.security-level`; `nil`: auto.
    package var securityLevel: SecurityLevel?
    package var dnssec: DNSSEC
    /// `dns.servers`; empty: the system's.
    package var nameServers: [NameServerAddress]
    /// `dns.timeout`
    package var dnsTimeout: Duration
    /// `lookup.deadline`
    package var lookupDeadline: Duration
    /// `cache.path`; `nil`: nothing is kept.
    package var cachePath: String?
    /// `admin.socket`; `nil`: there is none.
    package var adminSocket: String?

    /// Whether the running daemon looks for DANE; `nil`: it was not asked.
    package var daemonLooksForDANE: Bool?
    /// The level that the running daemon goes by; `nil`: it was not asked.
    package var daemonSecurityLevel: SecurityLevel?

    package init(
        listeners: [Listener], passedSockets: [String] = [], choices: PostfixChoices = PostfixChoices(),
        securityLevel: SecurityLevel? = nil,
        dnssec: DNSSEC = .auto, nameServers: [NameServerAddress] = [], dnsTimeout: Duration = .seconds(5),
        lookupDeadline: Duration = .seconds(20), cachePath: String? = nil, adminSocket: String? = nil
    ) {
        self.listeners = listeners
        self.passedSockets = passedSockets
        self.choices = choices
        self.securityLevel = securityLevel
        self.dnssec = dnssec
        self.nameServers = nameServers
        self.dnsTimeout = dnsTimeout
        self.lookupDeadline = lookupDeadline
        self.cachePath = cachePath
        self.adminSocket = adminSocket
    }
}

extension BridgeSetup {
    /// What the configuration leads to beside this Postfix. What the running daemon does is another matter.
    func wantsDANE(beside local: LocalPostfix?) -> Bool { dnssec != .off && choices.wantsDANE(beside: local) }

    /// The level that the bridge's replies about DANE go by: the running daemon's, if it is known.
    ///
    /// - Parameter local: the Postfix on this host.
    func level(beside local: LocalPostfix?) -> SecurityLevel {
        daemonSecurityLevel ?? securityLevel ?? local?.securityLevel ?? SecurityLevel("may")
    }

    /// Takes from the running daemon what it alone knows.
    mutating func take(_ daemon: DaemonStatus) {
        daemonLooksForDANE = daemon.dane != .off
        daemonSecurityLevel = daemon.securityLevel.map { SecurityLevel($0) }
        take(passed: daemon.passedSockets)
    }

    /// - Parameter sockets: all that the service manager passes.
    mutating func take(passed sockets: [Listener]) {
        guard !sockets.isEmpty else { return }
        listeners += sockets
        passedSockets = []
    }
}

/// A DNS server, as `ip` or `ip%scope`, and its port.
package struct NameServerAddress: Hashable, Sendable, CustomStringConvertible {
    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16 = 53) {
        self.host = host
        self.port = port
    }

    package var description: String { port == 53 ? host : "\(host)@\(port)" }
}
