import PostfixConfig
import PostfixTable

/// The security level that applies to domains without a policy, and DANE.
extension PostfixChecks {
    /// The service's level, including the parameters from before Postfix 2.3.
    private func level(of client: ClientInspection) -> String {
        let parameters = client.client.parameters
        let level = parameters.text("smtp_tls_security_level").lowercased()
        if !level.isEmpty { return level }
        if parameters["smtp_enforce_tls"] == "yes" { return "encrypt" }
        return parameters["smtp_use_tls"] == "yes" ? "may" : ""
    }

    // MARK: smtp_tls_security_level

    func securityLevel(_ client: ClientInspection) -> [CheckResult] {
        let level = level(of: client)
        let may = fix(client, name: "smtp_tls_security_level", value: "may")
        let own: CheckResult
        switch level {
        case "", "none":
            own = CheckResult(
                .securityLevel, severity: .warn,
                meaning:
                    "smtp_tls_security_level is \(level.isEmpty ? "empty" : level): enforced policies apply, but all other "
                    + "mail is sent in plaintext, even if the host offers TLS.", fixes: may)
        case "may", "dane":
            own = CheckResult(
                .securityLevel, severity: .ok,
                meaning: "For domains without a policy, smtp_tls_security_level = \(level) applies.")
        case "encrypt":
            own = CheckResult(
                .securityLevel, severity: .ok,
                meaning:
                    "For domains without a policy, smtp_tls_security_level = encrypt applies: mail to hosts without TLS "
                    + "is deferred.\(completeDANE(beside: level))")
        case "dane-only", "fingerprint", "verify", "secure":
            own = CheckResult(
                .securityLevel, severity: .warn,
                meaning: "smtp_tls_security_level = \(level) applies to every domain without a policy: mail to most "
                    + "domains is deferred.\(completeDANE(beside: level))", fixes: may)
        default:
            own = CheckResult(
                .securityLevel, severity: .fail,
                meaning: "smtp_tls_security_level = \(shown(level)) is not a level of Postfix.", fixes: may)
        }
        guard let configured = setup.securityLevel else { return [own, weakened(level)].compactMap(\.self) }
        guard let difference = Self.difference(configured, from: SecurityLevel(level)) else { return [own] }
        return [
            own,
            CheckResult(
                .securityLevel, severity: .warn,
                meaning: "postfix.security-level differs from Postfix's own, so the bridge answers \(difference).",
                fixes: Fix(.configuration, line: "postfix: { security-level: auto }")),
        ]
    }

    /// The bridge uses another level than the service, and its replies demand less.
    private func weakened(_ level: String) -> CheckResult? {
        guard isLookingForDANE, bridgeLevel.weakens(SecurityLevel(level)) else { return nil }
        let chosen = "postfix: { security-level: \(shown(level)) }"
        return CheckResult(
            .securityLevel, severity: .warn,
            meaning:
                "The bridge uses smtp_tls_security_level = \(shown(bridgeLevel.text)), so it answers `dane` where this service "
                + "demands \(shown(level)): hosts without TLSA records get TLS only if they offer it.",
            fixes: configuration.isOfThisHost
                ? Fix(.shell, line: "sts-bridge reload")
                : Fix(.configuration, line: chosen))
    }

    /// The level that decides the bridge's replies about DANE. A daemon on a host without postconf uses `may`.
    private var bridgeLevel: SecurityLevel {
        setup.level(beside: configuration.isOfThisHost ? configuration.profile : nil)
    }

    /// The bridge's reply at a strict level of the site, if all MX hosts have TLSA records (RFC 7672 §2.2).
    private func completeDANE(beside level: String) -> String {
        guard isLookingForDANE, SecurityLevel(level).givesWayToDANEOnly, bridgeLevel.givesWayToDANEOnly else {
            return ""
        }
        return " If every MX host has usable TLSA records, the bridge answers `dane-only` instead."
    }

    /// How the replies about DANE differ if the bridge uses `configured` as Postfix's level; `nil`: they do not.
    private static func difference(_ configured: SecurityLevel, from level: SecurityLevel) -> String? {
        if configured.givesWayToDANE != level.givesWayToDANE {
            return configured.givesWayToDANE
                ? "`dane` where that weakens Postfix's own level" : "`dane` nowhere, though it could"
        }
        guard configured.givesWayToDANEOnly != level.givesWayToDANEOnly else { return nil }
        return configured.givesWayToDANEOnly
            ? "`dane-only` in place of Postfix's own level" : "`dane-only` nowhere, though it could"
    }

    // MARK: smtp_dns_support_level

    func dnsSupport(_ client: ClientInspection) -> [CheckResult] {
        let level = level(of: client)
        let validates = client.client.parameters.text("smtp_dns_support_level").lowercased() == "dnssec"
        guard validates else {
            guard level.hasPrefix("dane") else {
                guard asksBridge(client) else { return [unusedDANE] }
                // `PostfixConflict` reports it once for all services.
                if isDNSSECDifferent, setup.options.dane != .off { return [] }
                return [isLookingForDANE ? heldMail : unusedDANE]
            }
            return [
                CheckResult(
                    .dnsSupport, severity: .fail,
                    meaning:
                        "smtp_tls_security_level = \(level) without smtp_dns_support_level = dnssec does not use DANE: "
                        + (level == "dane" ? "it acts as may." : "all mail is deferred."),
                    fixes: fix(client, name: "smtp_dns_support_level", value: "dnssec"))
            ]
        }
        guard isLookingForDANE else {
            if isDNSSECDifferent, asksBridge(client), setup.options.dane != .off { return [] }
            return [
                CheckResult(
                    .dnsSupport, severity: .warn,
                    meaning:
                        "Postfix uses DANE and the bridge does not look for it: an enforced policy then overrides the DANE "
                        + "of its domain, which RFC 8461 section 2 forbids.",
                    fixes: wayToDANE)
            ]
        }
        return [
            CheckResult(
                .dnsSupport, severity: .ok,
                meaning: "Postfix uses DANE (smtp_dns_support_level = dnssec), and the bridge gives it precedence.")
        ]
    }

    private var unusedDANE: CheckResult {
        CheckResult(
            .dnsSupport, severity: .skip,
            meaning:
                "DANE is not used: smtp_dns_support_level is not dnssec\(isLookingForDANE ? "" : ", and the bridge does not look for it")."
        )
    }

    private var heldMail: CheckResult {
        CheckResult(
            .dnsSupport, severity: .fail,
            meaning:
                "smtp_dns_support_level is not dnssec, and the bridge looks for DANE: mail to domains with DANE and an enforced "
                + "policy is deferred on `dane-only`. Set it in main.cf, the same for all services.",
            fixes: Fix(.mainCF, line: "smtp_dns_support_level = dnssec"))
    }

    /// Whether the client's settings decide the bridge's replies.
    private func asksBridge(_ client: ClientInspection) -> Bool {
        configuration.profile.services.contains { $0.name == client.client.name }
    }

    /// Whether some services that use the bridge validate DNSSEC, and others do not.
    private var isDNSSECDifferent: Bool {
        Set(configuration.profile.services.map(\.validatesDNS)).count > 1
    }

    private var wayToDANE: Fix {
        if wantsDANE { return Fix(.shell, line: "sts-bridge reload") }
        if setup.dnssec == .off { return Fix(.configuration, line: "dns: { dnssec: auto }") }
        return Fix(
            .configuration, line: configuration.isOfThisHost ? "postfix: { dane: auto }" : "postfix: { dane: \"on\" }")
    }

    /// The effect of `dane` for a domain with unsigned MX records.
    func daneInsecureMX(_ client: ClientInspection) -> CheckResult {
        let parameters = client.client.parameters
        guard parameters.text("smtp_dns_support_level").lowercased() == "dnssec", isLookingForDANE else {
            return CheckResult(.daneInsecureMX, severity: .skip, meaning: "DANE is not used.")
        }
        let level = level(of: client)
        guard bridgeLevel.givesWayToDANE || level.hasPrefix("dane") else {
            return CheckResult(
                .daneInsecureMX, severity: .skip,
                meaning: "With smtp_tls_security_level = \(shown(bridgeLevel.text)) the bridge never answers `dane`.")
        }
        switch parameters["smtp_tls_dane_insecure_mx_policy"] {
        case nil:
            return CheckResult(
                .daneInsecureMX, severity: .skip, meaning: "This Postfix has no smtp_tls_dane_insecure_mx_policy.")
        case "dane", "dane-only":
            return CheckResult(
                .daneInsecureMX, severity: .ok,
                meaning: "TLSA records of MX hosts also count for domains with unsigned MX records.")
        case let policy?:
            return CheckResult(
                .daneInsecureMX, severity: .warn,
                meaning:
                    "smtp_tls_dane_insecure_mx_policy = \(shown(policy)): if a domain's MX records are not signed, the bridge's "
                    + "`dane` demands nothing, even if its hosts have TLSA records.",
                fixes: fix(client, name: "smtp_tls_dane_insecure_mx_policy", value: "dane"))
        }
    }

    /// A daemon on a host without postconf does not know Postfix's settings.
    private var wantsDANE: Bool { setup.wantsDANE(beside: configuration.isOfThisHost ? configuration.profile : nil) }

    package var isLookingForDANE: Bool { setup.daemonLooksForDANE ?? wantsDANE }

    // MARK: TLS reports

    func tlsReports(_ client: ClientInspection) -> CheckResult {
        let enabled = client.client.parameters["smtp_tlsrpt_enable"]
        if enabled == "yes", ["", "none"].contains(level(of: client)) {
            return CheckResult(
                .tlsReports, severity: .warn,
                meaning: "smtp_tlsrpt_enable = yes reports nothing while smtp_tls_security_level is empty or none.",
                fixes: fix(client, name: "smtp_tls_security_level", value: "may"))
        }
        if enabled == "yes" {
            return CheckResult(.tlsReports, severity: .ok, meaning: "Postfix reports TLS failures (RFC 8460).")
        }
        if enabled != nil {
            return CheckResult(
                .tlsReports, severity: .skip, meaning: "TLS reports (RFC 8460) are not used: smtp_tlsrpt_enable = no.")
        }
        guard let release else {
            return CheckResult(
                .tlsReports, severity: .skip,
                meaning: "TLS reports (RFC 8460) are not used: smtp_tlsrpt_enable is not set.")
        }
        let isOld = Dialect(for: release) != .sts
        return CheckResult(
            .tlsReports, severity: .skip,
            meaning: "Postfix \(release) "
                + (isOld ? "has no TLS reports (RFC 8460); 3.10 does." : "was built without TLS reports."))
    }
}
