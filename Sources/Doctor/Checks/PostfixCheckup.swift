import MTASTS
import PostfixSettings

/// All that is said of Postfix's settings: pure, from what was gathered.
package struct PostfixCheckup: Sendable {
    let facts: PostfixFacts
    let setup: BridgeSetup
    /// We may look at everything.
    let isRoot: Bool
    /// The CAs of this host in one file, for the line to change.
    let authorityFile: String

    package init(
        _ facts: PostfixFacts, beside setup: BridgeSetup, isRoot: Bool = true,
        authorityFile: String = CertificateStore.systemFiles[0]
    ) {
        self.facts = facts
        self.setup = setup
        self.isRoot = isRoot
        self.authorityFile = authorityFile
    }

    var survey: PostfixSurvey { facts.survey }
    var release: PostfixRelease? { survey.local.release }

    package var findings: [Finding] {
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

    /// What is true of all services is said once; else it names those it is true of.
    static func merged(_ each: [[Finding]], names: [String]) -> [Finding] {
        var merged: [Finding] = []
        for (findings, name) in zip(each, names) {
            for finding in findings {
                if let index = merged.firstIndex(where: { $0.isSame(as: finding) }) {
                    merged[index].services.append(name)
                } else {
                    var first = finding
                    first.services = [name]
                    merged.append(first)
                }
            }
        }
        return merged.map { finding in
            var finding = finding
            if finding.services.count == names.count { finding.services = [] }
            return finding
        }
    }

    /// Where Postfix is not on this host, neither is what its settings name.
    func severity(of trouble: Severity) -> Severity { survey.isOfThisHost ? trouble : .unknown }

    /// A parameter's new value, where this service takes it from.
    func remedy(_ client: ClientFacts, _ name: String, _ value: String) -> Remedy {
        guard client.client.overridden.contains(name) else { return Remedy(.mainCF, "\(name) = \(value)") }
        return Remedy(.masterCF, "-o { \(name) = \(value) }")
    }

    /// Text of main.cf, for a terminal.
    func shown(_ text: String) -> String { RemoteText.escaped(text, limit: 160) }

    // MARK: The settings themselves

    private var settings: Finding {
        let place = RemoteText.escaped(survey.directory)
        guard survey.isOfThisHost else {
            return Finding(
                .postfix, .unknown,
                "There is no postconf here: \(place)/main.cf is read as a file, without Postfix's defaults. Its "
                    + "version, and what it names on its own host, are not known here.")
        }
        guard let release else {
            return Finding(
                .postfix, .unknown,
                "Postfix says \(shown(survey.parameters.text("mail_version"))) for its version, which cannot be read.")
        }
        return Finding(.postfix, .ok, "Postfix \(release) with the settings in \(place).")
    }

    /// Our configuration beside theirs.
    private var conflicts: [Finding] {
        let all = PostfixConflict.all(
            setup.choices, beside: survey.local, securityLevel: setup.securityLevel, looksForDANE: isLookingForDANE)
        // Of an overridden DANE `dnsSupport` tells more.
        return all.filter { $0 != .policyOverridesDANE }.map { conflict in
            let severity: Severity = conflict.holdsMail ? .fail : .warn
            return Finding(conflict.check, severity, "\(conflict)".asSentence, conflict.remedy)
        }
    }
}

extension Finding {
    fileprivate func isSame(as other: Finding) -> Bool {
        check == other.check && severity == other.severity && meaning == other.meaning && remedies == other.remedies
    }
}

extension PostfixConflict {
    /// The daemon does not start, or smtp(8) defers mail.
    fileprivate var holdsMail: Bool {
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

    fileprivate var remedy: Remedy {
        switch self {
        case .dialect: Remedy(.configuration, "postfix: { version: auto }")
        case .daneWithoutDNSSEC, .replyDANEWithoutDNSSEC, .servicesDifferInDNSSEC:
            Remedy(.mainCF, "smtp_dns_support_level = dnssec")
        case .replySwitchesDANEOff, .policyOverridesDANE: Remedy(.configuration, "postfix: { dane: auto }")
        case .servicesDifferInLevel(_, let binding):
            Remedy(.mainCF, "smtp_tls_security_level = \(RemoteText.escaped(binding, limit: 40))")
        case .replyNone: Remedy(.configuration, "policy: { no-policy-reply: not-found }")
        case .daneUnknown: Remedy(.configuration, "postfix: { dane: \"off\" }")
        }
    }
}

extension String {
    /// Ours begin with a small letter and have no stop.
    var asSentence: String { hasSuffix(".") ? self : self + "." }
}
