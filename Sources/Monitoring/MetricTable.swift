/// Every metric there is, in the order of the page. README's table is checked against this one, and so is what the running
/// daemon serves.
package enum MetricTable {
    package static let all = lookups + discovery + cache + orders + archive + dnssec + process

    private static let lookups = [
        MetricDefinition(
            "sts_bridge_lookups_total", .counter, labels: ["table", "rule", "reply"],
            "Replies to Postfix, by protocol, rule of the decision and what was said."),
        MetricDefinition(
            "sts_bridge_temporary_replies_total", .counter, labels: ["reason"],
            "Replies that made Postfix hold mail, by the class of their reason."),
        MetricDefinition(
            "sts_bridge_lookup_duration_seconds", .histogram(.answer),
            "Time from a request to its reply, discovery included."),
        MetricDefinition("sts_bridge_connections", .gauge, "Open connections of Postfix, all listeners together."),
        MetricDefinition("sts_bridge_connections_limit", .gauge, "How many of them there may be."),
        MetricDefinition(
            "sts_bridge_connections_turned_away_total", .counter, labels: ["how"],
            "Connections ended at the limit: the oldest idle one closed, or a new one refused."),
    ]

    private static let discovery = [
        MetricDefinition(
            "sts_bridge_record_lookups_total", .counter, labels: ["finding"],
            "Questions for a domain's _mta-sts record that ended, by what was found."),
        MetricDefinition(
            "sts_bridge_policy_fetches_total", .counter, labels: ["result"],
            "Fetches of a policy that ended: success, the result type of RFC 8460, or local for an error of this host."),
        MetricDefinition(
            "sts_bridge_policy_fetches_not_dialled_total", .counter, labels: ["reason"],
            "Fetches of a policy that ended before any address was dialled: no free slot in time, or the queue full."),
        MetricDefinition("sts_bridge_policy_fetches_in_flight", .gauge, "Fetches of a policy that have a slot."),
        MetricDefinition("sts_bridge_policy_fetches_waiting", .gauge, "Fetches of a policy that wait for a slot."),
        MetricDefinition(
            "sts_bridge_policy_fetch_duration_seconds", .histogram(.network),
            "Time of one HTTPS request for a policy, all addresses together, successful or not."),
        MetricDefinition(
            "sts_bridge_dane_discoveries_total", .counter, labels: ["coverage"],
            "Discoveries of DANE that ended, by how far it protects the destination."),
        MetricDefinition(
            "sts_bridge_dns_query_duration_seconds", .histogram(.network), labels: ["resolver"],
            "Time of one DNS question with all servers and retries, answered or not."),
        MetricDefinition(
            "sts_bridge_dns_failures_total", .counter, labels: ["resolver", "cause"],
            "DNS questions without an answer, by cause."),
        MetricDefinition(
            "sts_bridge_dns_questions_total", .counter, labels: ["outcome", "server"],
            "Questions to the DNS servers that ended, aliases and keys included, by outcome and the server that answered."
        ),
        MetricDefinition(
            "sts_bridge_dns_questions_in_flight", .gauge, "Questions to the DNS servers that have no answer yet."),
        MetricDefinition(
            "sts_bridge_dns_retransmissions_total", .counter,
            "Times that a question was sent again, to the same or another server."),
        MetricDefinition(
            "sts_bridge_dns_failovers_total", .counter,
            "Times that a DNS server went behind the others, because another one answered what it did not."),
        MetricDefinition(
            "sts_bridge_dns_ignored_messages_total", .counter,
            "Messages that did not match their question or could not be read: forged, late or broken."),
    ]

    private static let cache = [
        MetricDefinition(
            "sts_bridge_cached_domains", .gauge, labels: ["state"],
            "Domains in memory, by the mode of their policy or what is known instead."),
        MetricDefinition(
            "sts_bridge_failing_domains", .gauge,
            "Domains whose last TXT question or fetch failed, mode none apart."),
        MetricDefinition(
            "sts_bridge_policy_soonest_expiry_seconds", .gauge,
            "Until the first of the policies in use ends its life; NaN without one."),
        MetricDefinition(
            "sts_bridge_policy_soonest_failing_expiry_seconds", .gauge,
            "The same among policies that cannot be fetched again now; NaN without one."),
        MetricDefinition(
            "sts_bridge_policy_oldest_fetch_seconds", .gauge,
            "Since the fetch of the policy in use that was fetched longest ago; NaN without one."),
        MetricDefinition("sts_bridge_refreshes_due", .gauge, "Policies whose time to be fetched again has come."),
        MetricDefinition("sts_bridge_discoveries_in_flight", .gauge, "Discoveries under way."),
    ]

    private static let orders = [
        MetricDefinition(
            "sts_bridge_overrides", .gauge, labels: ["kind"], "Domains that the operator exempted or pinned."),
        MetricDefinition(
            "sts_bridge_override_soonest_end_seconds", .gauge,
            "Until the first exemption or pin ends; NaN where none has an end."),
        MetricDefinition(
            "sts_bridge_observed_total", .counter, labels: ["rule", "reply"],
            "In observe mode: replies that Postfix would have got without it."),
        MetricDefinition("sts_bridge_observe_mode", .gauge, "1 while nothing is said to Postfix (observe mode)."),
    ]

    private static let archive = [
        MetricDefinition(
            "sts_bridge_archive_failures_total", .counter, "Tries to read or write the cache file that failed."),
        MetricDefinition(
            "sts_bridge_archive_failing", .gauge, "1 while the cache file cannot be read or written."),
        MetricDefinition(
            "sts_bridge_archive_unwritten_changes", .gauge, "Changes that wait to be written into the cache file."),
    ]

    private static let dnssec = [
        MetricDefinition(
            "sts_bridge_dnssec_state", .gauge, labels: ["state"],
            "1 for what the last look at the DNS servers found: DNSSEC works, is stripped, or could not be tried."),
        MetricDefinition("sts_bridge_dane_in_force", .gauge, "1 while DANE is looked for."),
    ]

    private static let process = [
        MetricDefinition("sts_bridge_build_info", .gauge, labels: ["version"], "Always 1; the version is the label."),
        MetricDefinition(
            "sts_bridge_process_start_time_seconds", .gauge, "When the daemon was started, in Unix time."),
        MetricDefinition(
            "sts_bridge_log_lines_dropped_total", .counter,
            "Log lines that were dropped, because the reader of the log was too slow or is gone."),
        PrometheusRegistry.dropped,
    ]
}

extension [Double] {
    /// Seconds. The first is a hit's; then what a discovery takes, up to the longest `lookup.deadline`.
    fileprivate static let answer = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 60]
    /// Seconds: from a server nearby to the time-outs of queries and fetches.
    fileprivate static let network = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30]
}
