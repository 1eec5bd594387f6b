import MTASTS
import PostfixSettings
import PostfixTable

/// Whether the running daemon works with what main.cf, resolv.conf and config.yaml say now.
///
/// The daemon follows most changes within seconds and takes the rest at a reload, so a difference that stays is a fault.
struct DaemonSettingsCheck {
    /// As the configuration has it, without what the daemon itself has said.
    let setup: BridgeSetup
    /// What the listeners are in the configuration, as the daemon writes them.
    let listeners: [String]
    /// `nil`: there is no Postfix on this host, or it could not be asked.
    let local: LocalPostfix?
    /// `nil` if the servers are not known here.
    let nameServers: [NameServerAddress]?

    private static let reload = Remedy(.shell, "sts-bridge reload")

    /// - Parameter daemon: `nil`: there is no admin socket.
    func findings(_ daemon: Result<DaemonStatus, Unavailable>?) -> [Finding] {
        switch daemon {
        case nil:
            return [
                Finding(
                    .daemonSettings, .skip,
                    "admin.socket is empty, so the daemon cannot be asked which settings it works with.")
            ]
        case .failure(let why):
            return [
                Finding(
                    .daemonSettings, .unknown,
                    RemoteText.printable(
                        "The daemon could not be asked which settings it works with: \(why.reason)", limit: 400
                    )
                    .asSentence)
            ]
        case .success(let status):
            let differences = differences(status)
            guard differences.isEmpty else { return differences }
            let dane = status.dane == .off ? "off" : "on"
            return [
                Finding(
                    .daemonSettings, .ok,
                    "The daemon works with the settings of now: dialect \(status.dialect), DANE \(dane), "
                        + "smtp_tls_security_level \(shown(status.securityLevel ?? level)).")
            ]
        }
    }

    private func differences(_ status: DaemonStatus) -> [Finding] {
        var findings = [dane(status.dane)].compactMap(\.self)
        let dialect = setup.choices.dialect(beside: local).rawValue
        if status.dialect != dialect {
            findings.append(difference("uses the words of dialect", status.dialect, dialect))
        }
        if let told = status.securityLevel, told != level {
            findings.append(difference("takes smtp_tls_security_level for", shown(told), shown(level)))
        }
        if status.listeners != listeners {
            findings.append(
                difference("listens on", list(status.listeners), list(listeners)))
        }
        if let nameServers, status.nameServers != nameServers {
            findings.append(
                difference(
                    "asks the DNS servers", list(status.nameServers.map(\.description)),
                    list(nameServers.map(\.description))))
        }
        return findings
    }

    private func dane(_ dane: DaemonStatus.DANE) -> Finding? {
        switch (dane, setup.wantsDANE(beside: local)) {
        case (.on, true), (.off, false): return nil
        case (.suspended(let why), true):
            return Finding(
                .daemonSettings, .warn,
                "The daemon does not look for DANE (\(RemoteText.escaped(why, limit: 160))): it begins again with its next "
                    + "probe that works.")
        case (.off, true):
            return Finding(
                .daemonSettings, .fail,
                "DANE is to be looked for, and the daemon does not: an enforced policy overrides the DANE of its domain, "
                    + "which RFC 8461 section 2 forbids.", Self.reload)
        case (.on, false), (.suspended, false):
            return Finding(
                .daemonSettings, .fail,
                "The daemon looks for DANE, and Postfix does none: `dane` acts as `may`, and mail waits on `dane-only`.",
                Self.reload)
        }
    }

    private func difference(_ what: String, _ old: String, _ new: String) -> Finding {
        Finding(
            .daemonSettings, .fail, "The daemon \(what) \(old); its configuration and Postfix's say \(new) now.",
            Self.reload)
    }

    private var level: String { (setup.securityLevel ?? local?.securityLevel ?? SecurityLevel("may")).text }

    private func shown(_ level: String) -> String { level.isEmpty ? "empty" : RemoteText.escaped(level, limit: 40) }

    private func list(_ texts: [String]) -> String {
        texts.isEmpty ? "nothing" : RemoteText.escaped(texts.joined(separator: ", "), limit: 300)
    }
}
