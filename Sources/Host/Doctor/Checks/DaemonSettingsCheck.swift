import PostfixConfig
import PostfixTable
import TextFormats

/// Whether the running daemon uses the current settings of main.cf, resolv.conf and config.yaml.
///
/// The daemon applies most changes within seconds and the rest at a reload, so a lasting difference is an error.
struct DaemonSettingsCheck {
    /// The settings in the configuration, without those that the daemon reported.
    let setup: DaemonConfiguration
    /// The listeners of the configuration, in the daemon's notation.
    let listeners: [String]
    /// `nil`: there is no Postfix on this host, or its settings are unknown.
    let local: PostfixProfile?
    /// `nil`: the servers are unknown.
    let nameServers: [NameServerAddress]?

    private static let reload = Fix(.shell, line: "sts-bridge reload")

    /// - Parameter daemon: `nil`: there is no admin socket.
    func results(_ daemon: Result<DaemonStatus, UnavailableError>?) -> [CheckResult] {
        switch daemon {
        case nil:
            return [
                CheckResult(
                    .daemonSettings, severity: .skip,
                    meaning: "admin.socket is empty, so the daemon's current settings are unknown.")
            ]
        case .failure(let why):
            return [
                CheckResult(
                    .daemonSettings, severity: .unknown,
                    meaning: UntrustedText.printable(
                        "The daemon did not report its settings: \(why.reason)", limit: 400
                    )
                    .asSentence)
            ]
        case .success(let status):
            let differences = differences(status)
            guard differences.isEmpty else { return differences }
            let dane = status.dane == .off ? "off" : "on"
            return [
                CheckResult(
                    .daemonSettings, severity: .ok,
                    meaning: "The daemon uses the current settings: dialect \(status.dialect), DANE \(dane), "
                        + "smtp_tls_security_level \(shown(status.securityLevel ?? level)).")
            ]
        }
    }

    private func differences(_ status: DaemonStatus) -> [CheckResult] {
        var results = [dane(status.dane)].compactMap(\.self)
        let dialect = setup.options.dialect(beside: local).rawValue
        if status.dialect != dialect {
            results.append(difference("uses the dialect", old: status.dialect, new: dialect))
        }
        if let reported = status.securityLevel, reported != level {
            results.append(difference("uses smtp_tls_security_level", old: shown(reported), new: shown(level)))
        }
        if status.listeners != listeners {
            results.append(
                difference("listens on", old: list(status.listeners), new: list(listeners)))
        }
        if let nameServers, status.nameServers != nameServers {
            results.append(
                difference(
                    "uses the DNS servers", old: list(status.nameServers.map(\.description)),
                    new: list(nameServers.map(\.description))))
        }
        return results
    }

    private func dane(_ dane: DaemonStatus.DANE) -> CheckResult? {
        switch (dane, setup.wantsDANE(beside: local)) {
        case (.on, true), (.off, false): return nil
        case (.suspended(let why), true):
            return CheckResult(
                .daemonSettings, severity: .warn,
                meaning:
                    "The daemon does not look for DANE (\(UntrustedText.escaped(why, limit: 160))): it resumes after its next "
                    + "successful probe.")
        case (.off, true):
            return CheckResult(
                .daemonSettings, severity: .fail,
                meaning:
                    "The settings enable DANE, and the daemon does not look for it: an enforced policy overrides the DANE of its domain, "
                    + "which RFC 8461 section 2 forbids.", fixes: Self.reload)
        case (.on, false), (.suspended, false):
            return CheckResult(
                .daemonSettings, severity: .fail,
                meaning:
                    "The daemon looks for DANE, and Postfix does not use it: `dane` acts as `may`, and `dane-only` defers mail.",
                fixes: Self.reload)
        }
    }

    private func difference(_ what: String, old: String, new: String) -> CheckResult {
        CheckResult(
            .daemonSettings, severity: .fail,
            meaning: "The daemon \(what) \(old); its configuration and Postfix's say \(new).",
            fixes: Self.reload)
    }

    private var level: String { (setup.securityLevel ?? local?.securityLevel ?? SecurityLevel("may")).text }

    private func shown(_ level: String) -> String { level.isEmpty ? "empty" : UntrustedText.escaped(level, limit: 40) }

    private func list(_ texts: [String]) -> String {
        texts.isEmpty ? "nothing" : UntrustedText.escaped(texts.joined(separator: ", "), limit: 300)
    }
}
