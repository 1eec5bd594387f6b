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
                .mxPatterns, .ok,
                "This Postfix compares certificates with the policy's names, and not the MX host's own; 3.10.5 and "
                    + "later do both.")
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
            "A resumed TLS session is not verified anew: a policy that got stricter may take \(time) to bite. Who "
                + "minds leaves smtp_tls_session_cache_database empty.")
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
