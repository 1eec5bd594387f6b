import PostfixSettings

/// What Postfix does by itself, whatever the bridge answers.
extension PostfixCheckup {
    func mxPatterns(_ client: ClientFacts) -> Finding {
        switch client.client.parameters["smtp_tls_enforce_sts_mx_patterns"] {
        case "no":
            Finding(
                .mxPatterns, .warn,
                "smtp_tls_enforce_sts_mx_patterns = no: a host outside of a policy is delivered to if it holds a "
                    + "certificate for a name in it.", remedy(client, "smtp_tls_enforce_sts_mx_patterns", "yes"))
        case nil:
            Finding(
                .mxPatterns, .skip,
                "This Postfix cannot: it compares certificates with the policy's names, and not the MX host's own. 3.10.5 "
                    + "and later do both.")
        default:
            Finding(.mxPatterns, .ok, "MX hosts are compared with the policy's patterns as RFC 8461 section 4.1 wants.")
        }
    }

    func sessionCache(_ client: ClientFacts) -> Finding {
        let parameters = client.client.parameters
        guard !parameters.text("smtp_tls_session_cache_database").isEmpty else {
            return Finding(.sessionCache, .ok, "No TLS sessions are kept, so every connection is verified.")
        }
        let time = shown(parameters["smtp_tls_session_cache_timeout"] ?? "3600s")
        return Finding(
            .sessionCache, .ok,
            "A resumed TLS session is not verified anew: a policy that got stricter may take \(time) to bite. "
                + "To verify every connection, set smtp_tls_session_cache_database empty.")
    }

    func fallbackRelay(_ client: ClientFacts) -> Finding {
        let relay = client.client.parameters.text("smtp_fallback_relay")
        guard !relay.isEmpty else {
            return Finding(.fallbackRelay, .ok, "No smtp_fallback_relay takes what could not be authenticated.")
        }
        return Finding(
            .fallbackRelay, .warn,
            "smtp_fallback_relay = \(shown(relay)) takes the mail whose destination failed its policy, too; what it "
                + "then does no policy here decides.", remedy(client, "smtp_fallback_relay", ""))
    }

    /// Postfix asks the bridge for the next hop, so a relay's policy takes the place of the recipient's domain's.
    var relayhost: Finding {
        let parameters = survey.parameters
        let relay = parameters.text("relayhost")
        let transport = Self.nextHop(ofTransport: parameters.text("default_transport"))
        guard let hop = relay.isEmpty ? transport : relay else {
            let maps = parameters.text("sender_dependent_relayhost_maps")
            guard maps.isEmpty else {
                return Finding(
                    .relayhost, .warn,
                    "sender_dependent_relayhost_maps = \(shown(maps)) sends mail of some senders to a relay: there the "
                        + "relay's own policy is applied, and not those of the recipients' domains.")
            }
            return Finding(.relayhost, .ok, "Mail goes to the recipients' own MX hosts: relayhost is empty.")
        }
        let name = relay.isEmpty ? "default_transport" : "relayhost"
        return Finding(
            .relayhost, .warn,
            "\(name) leads to \(shown(hop)), so Postfix asks the bridge for the relay alone: no policy of a recipient's "
                + "domain is applied here. The relay has to apply them.")
    }

    /// - Parameter transport: `smtp:[relay.example]:587`.
    /// - Returns: `nil` if it leaves the destination to the recipient's domain.
    private static func nextHop(ofTransport transport: String) -> String? {
        guard let colon = transport.firstIndex(of: ":"), transport.index(after: colon) < transport.endIndex else {
            return nil
        }
        return String(transport[transport.index(after: colon)...])
    }

    var transportMaps: [Finding] {
        let tables = survey.parameters.text("transport_maps")
        guard !tables.isEmpty else { return [Finding(.transportMaps, .skip, "transport_maps is empty.")] }
        let findings = facts.transports.compactMap { route -> Finding? in
            switch route.answer {
            case .found(let transport):
                guard let hop = Self.nextHop(ofTransport: transport) else { return nil }
                let what = route.key == "*" ? "all mail without an entry of its own" : "mail to \(shown(route.key))"
                return Finding(
                    .transportMaps, .warn,
                    "\(shown(route.table)) sends \(what) to \(shown(hop)): there that host's own policy is applied, and "
                        + "not those of the recipients' domains.")
            case .notFound: return nil
            case .failed(let words):
                let isOurs = !isRoot && words.contains("Permission denied")
                return Finding(
                    .transportMaps, isOurs ? .unknown : .fail,
                    "\(shown(route.table)) cannot be used (\(words))." + (isOurs ? "" : " The mail waits."))
            case .notAsked(let why):
                return Finding(
                    .transportMaps, .unknown, "Where \(shown(route.table)) sends mail could not be found out: \(why).")
            }
        }
        guard findings.isEmpty else {
            return Array(findings.reduce(into: []) { if !$0.contains($1) { $0.append($1) } })
        }
        return [
            Finding(
                .transportMaps, .ok,
                "transport_maps sends only the destinations that it names elsewhere; there the next hop's own policy is "
                    + "applied.")
        ]
    }

    func overrides(_ client: ClientFacts) -> Finding {
        let names = PostfixSurvey.parameterNames.filter(client.client.overridden.contains).sorted()
        guard !names.isEmpty else {
            return Finding(.serviceOverrides, .ok, "master.cf overrides none of these settings.")
        }
        return Finding(
            .serviceOverrides, .ok,
            "master.cf sets for this service alone: "
                + "\(names.map { "\($0) = \(shown(client.client.parameters.text($0)))" }.joined(separator: ", "))."
        )
    }
}
