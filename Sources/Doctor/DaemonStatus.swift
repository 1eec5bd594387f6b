/// How the running daemon is set up, as it says itself.
package struct DaemonStatus: Equatable, Sendable {
    package enum DANE: Equatable, Sendable {
        case on
        case off
        /// Until its next probe of DNSSEC; the text says why.
        case suspended(String)
    }

    /// `classic`, `sts` or `legacy`.
    package var dialect: String
    package var dane: DANE
    /// The site's own level; `nil` from a daemon of an older version.
    package var securityLevel: String?
    /// As the configuration has them: `socketmap 127.0.0.1:8461`.
    package var listeners: [String]
    /// Where the service manager's sockets are.
    package var passedSockets: [BridgeSetup.Listener]
    package var nameServers: [NameServerAddress]

    package init(
        dialect: String, dane: DANE, securityLevel: String?, listeners: [String],
        passedSockets: [BridgeSetup.Listener] = [], nameServers: [NameServerAddress]
    ) {
        self.dialect = dialect
        self.dane = dane
        self.securityLevel = securityLevel
        self.listeners = listeners
        self.passedSockets = passedSockets
        self.nameServers = nameServers
    }
}
