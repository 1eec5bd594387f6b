import PostfixSettings
import PostfixTable

/// What is in force where the bridge has no policy, and beside what DANE.
extension PostfixCheckup {
    /// As Postfix has it, the parameters of before 2.3 included.
    private func level(of client: ClientFacts) -> String {
        let parameters = client.client.parameters
        let level = parameters.text("smtp_tls_security_level").lowercased()
        if !level.isEmpty { return level }
        if parameters["smtp_enforce_tls"] == "yes" { return "encrypt" }
        return parameters["smtp_use_tls"] == "yes" ? "may" : ""
    }

    // MARK: smtp_tls_security_level

    func securityLevel(_ client: ClientFacts) -> [Finding] {
        let level = level(of: client)
        let may = remedy(client, "smtp_tls_security_level", "may")
        let own: Finding
        switch level {
        case "", "none":
            own = Finding(
                .securityLevel, .warn,
                "smtp_tls_security_level is \(level.isEmpty ? "empty" : level): enforced policies hold, but all other "
                    + "mail goes in plaintext, even where TLS is offered.", may)
        case "may", "dane":
            own = Finding(
                .securityLevel, .ok, "Where there is no policy, smtp_tls_security_level = \(level) stays in force.")
        case "encrypt":
            own = Finding(
                .securityLevel, .ok,
                "Where there is no policy, smtp_tls_security_level = encrypt stays in force: mail to hosts without TLS "
                    + "waits.\(completeDANE(beside: level))")
        case "dane-only", "fingerprint", "verify", "secure":
            own = Finding(
                .securityLevel, .warn,
                "smtp_tls_security_level = \(level) is demanded of every domain without a policy: mail to most of the "
                    + "world waits.\(completeDANE(beside: level))", may)
        default:
            own = Finding(
                .securityLevel, .fail, "smtp_tls_security_level = \(shown(level)) is no level that Postfix knows.", may)
        }
        guard let told = setup.securityLevel else { return [own, weakened(level)].compactMap(\.self) }
        guard let difference = Self.difference(told, from: SecurityLevel(level)) else { return [own] }
        return [
            own,
            Finding(
                .securityLevel, .warn,
                "postfix.security-level says something else than Postfix does, so the bridge answers \(difference).",
                Remedy(.configuration, "postfix: { security-level: auto }")),
        ]
    }

    /// The bridge takes another level for the service's, and answers what asks for less.
    private func weakened(_ level: String) -> Finding? {
        guard isLookingForDANE, bridgeLevel.weakens(SecurityLevel(level)) else { return nil }
        let chosen = "postfix: { security-level: \(shown(level)) }"
        return Finding(
            .securityLevel, .warn,
            "The bridge goes by smtp_tls_security_level = \(shown(bridgeLevel.text)), so it answers `dane` where this service "
                + "demands \(shown(level)): hosts without TLSA records get TLS only if they offer it.",
            survey.isOfThisHost
                ? Remedy(.shell, "sts-bridge reload")
                : Remedy(.configuration, chosen))
    }

    /// The level that the bridge's replies about DANE go by. A daemon beside which there is no postconf takes `may`.
    private var bridgeLevel: SecurityLevel { setup.level(beside: survey.isOfThisHost ? survey.local : nil) }

    /// What the bridge answers at a strict level of the site, if DANE protects the whole way (RFC 7672 §2.2).
    private func completeDANE(beside level: String) -> String {
        guard isLookingForDANE, SecurityLevel(level).givesWayToDANEOnly, bridgeLevel.givesWayToDANEOnly else {
            return ""
        }
        return " Where every MX host has usable TLSA records, the bridge answers `dane-only` instead."
    }

    /// How the answers about DANE differ if the bridge takes `told` for Postfix's level; `nil`: they do not.
    private static func difference(_ told: SecurityLevel, from level: SecurityLevel) -> String? {
        if told.givesWayToDANE != level.givesWayToDANE {
            return told.givesWayToDANE
                ? "`dane` where that weakens Postfix's own level" : "`dane` nowhere, though it could"
        }
        guard told.givesWayToDANEOnly != level.givesWayToDANEOnly else { return nil }
        return told.givesWayToDANEOnly
            ? "`dane-only` in place of Postfix's own level" : "`dane-only` nowhere, though it could"
    }

    // MARK: smtp_dns_support_level

    func dnsSupport(_ client: ClientFacts) -> [Finding] {
        let level = level(of: client)
        let validates = client.client.parameters.text("smtp_dns_support_level").lowercased() == "dnssec"
        guard validates else {
            guard level.hasPrefix("dane") else {
                guard asksBridge(client) else { return [unusedDANE] }
                // Said of all services at once.
                if isDNSSECDifferent, setup.choices.dane != .off { return [] }
                return [isLookingForDANE ? heldMail : unusedDANE]
            }
            return [
                Finding(
                    .dnsSupport, .fail,
                    "smtp_tls_security_level = \(level) without smtp_dns_support_level = dnssec is no DANE: "
                        + (level == "dane" ? "it acts as may." : "all mail waits."),
                    remedy(client, "smtp_dns_support_level", "dnssec"))
            ]
        }
        guard isLookingForDANE else {
            if isDNSSECDifferent, asksBridge(client), setup.choices.dane != .off { return [] }
            return [
                Finding(
                    .dnsSupport, .warn,
                    "Postfix does DANE and the bridge does not look for it: an enforced policy then overrides the DANE "
                        + "of its domain, which RFC 8461 section 2 forbids.",
                    wayToDANE)
            ]
        }
        return [
            Finding(
                .dnsSupport, .ok, "Postfix does DANE (smtp_dns_support_level = dnssec), and the bridge puts it first.")
        ]
    }

    private var unusedDANE: Finding {
        Finding(
            .dnsSupport, .skip,
            "DANE is not used: smtp_dns_support_level is not dnssec\(isLookingForDANE ? "" : ", and the bridge does not look for it")."
        )
    }

    private var heldMail: Finding {
        Finding(
            .dnsSupport, .fail,
            "smtp_dns_support_level is not dnssec, and the bridge looks for DANE: mail to domains with DANE and an enforced "
                + "policy waits on `dane-only`. Set it in main.cf, the same for all services.",
            Remedy(.mainCF, "smtp_dns_support_level = dnssec"))
    }

    /// Whether its settings count for the bridge's replies.
    private func asksBridge(_ client: ClientFacts) -> Bool {
        survey.local.services.contains { $0.name == client.client.name }
    }

    /// Some services that ask the bridge validate DNSSEC, and others do not.
    private var isDNSSECDifferent: Bool {
        Set(survey.local.services.map(\.validatesDNS)).count > 1
    }

    private var wayToDANE: Remedy {
        if wantsDANE { return Remedy(.shell, "sts-bridge reload") }
        if setup.dnssec == .off { return Remedy(.configuration, "dns: { dnssec: auto }") }
        return Remedy(.configuration, survey.isOfThisHost ? "postfix: { dane: auto }" : "postfix: { dane: \"on\" }")
    }

    /// What `dane` does for a domain whose MX records are not signed.
    func daneInsecureMX(_ client: ClientFacts) -> Finding {
        let parameters = client.client.parameters
        guard parameters.text("smtp_dns_support_level").lowercased() == "dnssec", isLookingForDANE else {
            return Finding(.daneInsecureMX, .skip, "DANE is not used.")
        }
        let level = level(of: client)
        guard bridgeLevel.givesWayToDANE || level.hasPrefix("dane") else {
            return Finding(
                .daneInsecureMX, .skip,
                "Beside smtp_tls_security_level = \(shown(bridgeLevel.text)) the bridge never answers `dane`.")
        }
        switch parameters["smtp_tls_dane_insecure_mx_policy"] {
        case nil:
            return Finding(.daneInsecureMX, .skip, "This Postfix has no smtp_tls_dane_insecure_mx_policy.")
        case "dane", "dane-only":
            return Finding(
                .daneInsecureMX, .ok,
                "TLSA records of MX hosts count for domains whose MX records are not signed, too.")
        case let policy?:
            return Finding(
                .daneInsecureMX, .warn,
                "smtp_tls_dane_insecure_mx_policy = \(shown(policy)): where a domain's MX records are not signed, the bridge's "
                    + "`dane` demands nothing, though its hosts have TLSA records.",
                remedy(client, "smtp_tls_dane_insecure_mx_policy", "dane"))
        }
    }

    /// A daemon beside which there is no postconf knows nothing of it.
    private var wantsDANE: Bool { setup.wantsDANE(beside: survey.isOfThisHost ? survey.local : nil) }

    package var isLookingForDANE: Bool { setup.daemonLooksForDANE ?? wantsDANE }

    // MARK: TLS reports

    func tlsReports(_ client: ClientFacts) -> Finding {
        let enabled = client.client.parameters["smtp_tlsrpt_enable"]
        if enabled == "yes", ["", "none"].contains(level(of: client)) {
            return Finding(
                .tlsReports, .warn,
                "smtp_tlsrpt_enable = yes reports nothing while smtp_tls_security_level is empty or none.",
                remedy(client, "smtp_tls_security_level", "may"))
        }
        if enabled == "yes" { return Finding(.tlsReports, .ok, "Postfix reports TLS failures (RFC 8460).") }
        if enabled != nil {
            return Finding(
                .tlsReports, .skip, "TLS reports (RFC 8460) are not used: smtp_tlsrpt_enable = no.")
        }
        guard let release else {
            return Finding(.tlsReports, .skip, "TLS reports (RFC 8460) are not used: smtp_tlsrpt_enable is not set.")
        }
        let isOld = Dialect(for: release) != .sts
        return Finding(
            .tlsReports, .skip,
            "Postfix \(release) "
                + (isOld ? "has no TLS reports (RFC 8460); 3.10 does." : "was built without TLS reports."))
    }
}
