/// The settings that the running daemon reports.
package struct DaemonStatus: Equatable, Sendable {
    package enum DANE: Equatable, Sendable {
        case on
        case off
        /// Off until the next successful DNSSEC probe. The text is the reason.
        case suspended(String)
    }

    /// `classic`, `sts` or `legacy`.
    package var dialect: String
    package var dane: DANE
    /// The site's own level; `nil`: the daemon is older and does not report it.
    package var securityLevel: String?
    /// In the configuration's notation: `socketmap 127.0.0.1:8461`.
    package var listeners: [String]
    /// The addresses of the service manager's sockets.
    package var passedSockets: [DaemonConfiguration.Listener]
    package var nameServers: [NameServerAddress]

    package init(
        dialect: String, dane: DANE, securityLevel: String?, listeners: [String],
        passedSockets: [DaemonConfiguration.Listener] = [], nameServers: [NameServerAddress]
    ) {
        self.dialect = dialect
        self.dane = dane
        self.securityLevel = securityLevel
        self.listeners = listeners
        self.passedSockets = passedSockets
        self.nameServers = nameServers
    }
}
