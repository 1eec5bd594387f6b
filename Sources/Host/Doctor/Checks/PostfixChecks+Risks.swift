import PostfixConfig

/// Settings with which Postfix weakens the bridge's replies or does not use them.
extension PostfixChecks {
    func mxPatterns(_ client: ClientInspection) -> CheckResult {
        switch client.client.parameters["smtp_tls_enforce_sts_mx_patterns"] {
        case "no":
            CheckResult(
                .mxPatterns, severity: .warn,
                meaning:
                    "smtp_tls_enforce_sts_mx_patterns = no: Postfix delivers to a host outside of a policy if it has a "
                    + "certificate for a name in it.",
                fixes: fix(client, name: "smtp_tls_enforce_sts_mx_patterns", value: "yes"))
        case nil:
            CheckResult(
                .mxPatterns, severity: .skip,
                meaning:
                    "This Postfix compares only certificates with the policy's names, not the MX host's own name. 3.10.5 "
                    + "and later do both.")
        default:
            CheckResult(
                .mxPatterns, severity: .ok,
                meaning: "Postfix compares MX hosts with the policy's patterns, as RFC 8461 section 4.1 requires.")
        }
    }

    func sessionCache(_ client: ClientInspection) -> CheckResult {
        let parameters = client.client.parameters
        guard !parameters.text("smtp_tls_session_cache_database").isEmpty else {
            return CheckResult(
                .sessionCache, severity: .ok, meaning: "Postfix keeps no TLS sessions, so it verifies every connection."
            )
        }
        let time = shown(parameters["smtp_tls_session_cache_timeout"] ?? "3600s")
        return CheckResult(
            .sessionCache, severity: .ok,
            meaning:
                "Postfix does not verify a resumed TLS session again: a stricter policy may take \(time) to apply. "
                + "To verify every connection, set smtp_tls_session_cache_database empty.")
    }

    func fallbackRelay(_ client: ClientInspection) -> CheckResult {
        let relay = client.client.parameters.text("smtp_fallback_relay")
        guard !relay.isEmpty else {
            return CheckResult(.fallbackRelay, severity: .ok, meaning: "smtp_fallback_relay is empty.")
        }
        return CheckResult(
            .fallbackRelay, severity: .warn,
            meaning:
                "smtp_fallback_relay = \(shown(relay)) also receives mail whose destination failed its policy; the "
                + "bridge does not control what the relay does with it.",
            fixes: fix(client, name: "smtp_fallback_relay", value: ""))
    }

    /// Postfix asks the bridge for the next hop, so a relay's policy replaces that of the recipient's domain.
    var relayhost: CheckResult {
        let parameters = configuration.parameters
        let relay = parameters.text("relayhost")
        let transport = Self.nextHop(ofTransport: parameters.text("default_transport"))
        guard let hop = relay.isEmpty ? transport : relay else {
            let maps = parameters.text("sender_dependent_relayhost_maps")
            guard maps.isEmpty else {
                return CheckResult(
                    .relayhost, severity: .warn,
                    meaning:
                        "sender_dependent_relayhost_maps = \(shown(maps)) sends mail of some senders to a relay: for it the "
                        + "relay's policy applies, not those of the recipients' domains.")
            }
            return CheckResult(
                .relayhost, severity: .ok, meaning: "relayhost is empty: mail goes to the recipients' MX hosts.")
        }
        let name = relay.isEmpty ? "default_transport" : "relayhost"
        return CheckResult(
            .relayhost, severity: .warn,
            meaning:
                "\(name) is \(shown(hop)), so Postfix asks the bridge only for the relay: no policy of a recipient's "
                + "domain applies here. The relay must apply them.")
    }

    /// - Parameter transport: `smtp:[relay.example]:587`.
    /// - Returns: `nil`: the recipient's domain is the destination.
    private static func nextHop(ofTransport transport: String) -> String? {
        guard let colon = transport.firstIndex(of: ":"), transport.index(after: colon) < transport.endIndex else {
            return nil
        }
        return String(transport[transport.index(after: colon)...])
    }

    var transportMaps: [CheckResult] {
        let tables = configuration.parameters.text("transport_maps")
        guard !tables.isEmpty else {
            return [CheckResult(.transportMaps, severity: .skip, meaning: "transport_maps is empty.")]
        }
        let results = facts.transports.compactMap { route -> CheckResult? in
            switch route.answer {
            case .found(let transport):
                guard let hop = Self.nextHop(ofTransport: transport) else { return nil }
                let what = route.key == "*" ? "all mail without an entry of its own" : "mail to \(shown(route.key))"
                return CheckResult(
                    .transportMaps, severity: .warn,
                    meaning: "\(shown(route.table)) sends \(what) to \(shown(hop)): for it that host's policy applies, "
                        + "not those of the recipients' domains.")
            case .notFound: return nil
            case .failed(let reason):
                let isOurs = !isRoot && reason.contains("Permission denied")
                return CheckResult(
                    .transportMaps, severity: isOurs ? .unknown : .fail,
                    meaning: "Postfix cannot use \(shown(route.table)) (\(reason))."
                        + (isOurs ? "" : " The mail is deferred."))
            case .unknown(let why):
                return CheckResult(
                    .transportMaps, severity: .unknown,
                    meaning: "It is unknown where \(shown(route.table)) sends mail: \(why).")
            }
        }
        guard results.isEmpty else {
            return Array(results.reduce(into: []) { if !$0.contains($1) { $0.append($1) } })
        }
        return [
            CheckResult(
                .transportMaps, severity: .ok,
                meaning: "transport_maps redirects only the destinations that it names; for them the next hop's policy "
                    + "applies.")
        ]
    }

    func overrides(_ client: ClientInspection) -> CheckResult {
        let names = PostfixConfiguration.parameterNames.filter(client.client.overridden.contains).sorted()
        guard !names.isEmpty else {
            return CheckResult(.serviceOverrides, severity: .ok, meaning: "master.cf overrides none of these settings.")
        }
        return CheckResult(
            .serviceOverrides, severity: .ok,
            meaning: "master.cf sets for this service alone: "
                + "\(names.map { "\($0) = \(shown(client.client.parameters.text($0)))" }.joined(separator: ", "))."
        )
    }
}
