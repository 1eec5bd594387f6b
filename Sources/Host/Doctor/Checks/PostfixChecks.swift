import PostfixConfig
import TextFormats

/// The checks of Postfix's settings. Pure: evaluates values that were read before.
package struct PostfixChecks: Sendable {
    let facts: PostfixInspection
    let setup: DaemonConfiguration
    /// Whether this process may read every file.
    let isRoot: Bool
    /// The file with the CAs of this host, for the line to change.
    let authorityFile: String

    package init(
        _ facts: PostfixInspection, beside setup: DaemonConfiguration, isRoot: Bool = true,
        authorityFile: String = CertificateStore.systemFiles[0]
    ) {
        self.facts = facts
        self.setup = setup
        self.isRoot = isRoot
        self.authorityFile = authorityFile
    }

    var configuration: PostfixConfiguration { facts.configuration }
    var release: PostfixRelease? { configuration.profile.release }

    package var results: [CheckResult] {
        let common = [settings] + conflicts + [relayhost] + transportMaps
        let each = facts.clients.map { client in
            policyMaps(client) + mapOrder(client) + mapSocket(client) + mapName(client) + [authorities(client)]
                + securityLevel(client) + dnsSupport(client)
                + [
                    daneInsecureMX(client),
                    tlsReports(client), mxPatterns(client), sessionCache(client), fallbackRelay(client),
                    overrides(client),
                ]
        }
        return common + Self.merged(each, names: facts.clients.map(\.client.name))
    }

    /// Merges equal results: a result of all services appears once, other results name their services.
    static func merged(_ each: [[CheckResult]], names: [String]) -> [CheckResult] {
        var merged: [CheckResult] = []
        for (results, name) in zip(each, names) {
            for result in results {
                if let index = merged.firstIndex(where: { $0.isSame(as: result) }) {
                    merged[index].services.append(name)
                } else {
                    var first = result
                    first.services = [name]
                    merged.append(first)
                }
            }
        }
        return merged.map { result in
            var result = result
            if result.services.count == names.count { result.services = [] }
            return result
        }
    }

    /// If Postfix is on another host, the files that its settings name are there, too, and stay unknown.
    func severity(of problem: Severity) -> Severity { configuration.isOfThisHost ? problem : .unknown }

    /// The line that changes a parameter in the file from which this service takes it.
    func fix(_ client: ClientInspection, name: String, value: String) -> Fix {
        guard client.client.overridden.contains(name) else { return Fix(.mainCF, line: "\(name) = \(value)") }
        return Fix(.masterCF, line: "-o { \(name) = \(value) }")
    }

    /// Escapes text of main.cf for a terminal.
    func shown(_ text: String) -> String { UntrustedText.escaped(text, limit: 160) }

    // MARK: The settings themselves

    private var settings: CheckResult {
        let place = UntrustedText.escaped(configuration.directory)
        guard configuration.isOfThisHost else {
            return CheckResult(
                .postfix, severity: .unknown,
                meaning:
                    "There is no postconf on this host: \(place)/main.cf is read as a file, without Postfix's defaults. Its "
                    + "version, and the files on its own host, are unknown here.")
        }
        guard let release else {
            return CheckResult(
                .postfix, severity: .unknown,
                meaning:
                    "Postfix's mail_version, \(shown(configuration.parameters.text("mail_version"))), has an unknown format."
            )
        }
        return CheckResult(.postfix, severity: .ok, meaning: "Postfix \(release) with the settings in \(place).")
    }

    /// The conflicts between the bridge's configuration and Postfix's.
    private var conflicts: [CheckResult] {
        let all = PostfixConflict.all(
            setup.options, beside: configuration.profile, securityLevel: setup.securityLevel,
            looksForDANE: isLookingForDANE)
        // `dnsSupport` reports an overridden DANE in more detail.
        return all.filter { $0 != .policyOverridesDANE }.map { conflict in
            let severity: Severity = conflict.defersMail ? .fail : .warn
            return CheckResult(
                conflict.check, severity: severity, meaning: "\(conflict)".asSentence, fixes: conflict.fix)
        }
    }
}

extension CheckResult {
    fileprivate func isSame(as other: CheckResult) -> Bool {
        check == other.check && severity == other.severity && meaning == other.meaning && fixes == other.fixes
    }
}

extension PostfixConflict {
    /// Whether the daemon does not start, or smtp(8) defers mail.
    fileprivate var defersMail: Bool {
        if case .servicesDifferInDNSSEC(_, _, let looksForDANE) = self { return looksForDANE }
        return consequence == .stopsTheStart
    }

    fileprivate var check: Check {
        switch self {
        case .dialect, .replyNone: .configuration
        case .daneWithoutDNSSEC, .replySwitchesDANEOff, .replyDANEWithoutDNSSEC, .policyOverridesDANE, .daneUnknown,
            .servicesDifferInDNSSEC:
            .dnsSupport
        case .servicesDifferInLevel: .securityLevel
        }
    }

    fileprivate var fix: Fix {
        switch self {
        case .dialect: Fix(.configuration, line: "postfix: { version: auto }")
        case .daneWithoutDNSSEC, .replyDANEWithoutDNSSEC, .servicesDifferInDNSSEC:
            Fix(.mainCF, line: "smtp_dns_support_level = dnssec")
        case .replySwitchesDANEOff, .policyOverridesDANE: Fix(.configuration, line: "postfix: { dane: auto }")
        case .servicesDifferInLevel(_, let binding):
            Fix(.mainCF, line: "smtp_tls_security_level = \(UntrustedText.escaped(binding, limit: 40))")
        case .replyNone: Fix(.configuration, line: "policy: { no-policy-reply: not-found }")
        case .daneUnknown: Fix(.configuration, line: "postfix: { dane: \"off\" }")
        }
    }
}

extension String {
    /// The text with a final full stop.
    var asSentence: String { hasSuffix(".") ? self : self + "." }
}
