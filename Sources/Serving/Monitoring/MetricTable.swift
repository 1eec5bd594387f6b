/// All metrics, in the order of `/metrics`. Every module's metrics are declared here; tests compare this table with the
/// sources, with Documentation/monitoring.md and with the pages of a running daemon.
package enum MetricTable {
    package static let all = lookups + discovery + cache + overrides + store + dnssec + process

    private static let lookups = [
        MetricDefinition(
            "sts_bridge_lookups_total", kind: .counter, labels: ["table", "rule", "reply"],
            help: "Replies to Postfix, by protocol, rule of the decision and kind of reply."),
        MetricDefinition(
            "sts_bridge_temporary_replies_total", kind: .counter, labels: ["reason"],
            help: "Replies that made Postfix defer mail, by the class of their reason."),
        MetricDefinition(
            "sts_bridge_lookup_duration_seconds", kind: .histogram(.answer),
            help: "Time from a request to its reply, discovery included."),
        MetricDefinition(
            "sts_bridge_connections", kind: .gauge, help: "Open connections of Postfix, all listeners together."),
        MetricDefinition("sts_bridge_connections_limit", kind: .gauge, help: "Largest number of open connections."),
        MetricDefinition(
            "sts_bridge_connections_over_limit_total", kind: .counter, labels: ["action"],
            help: "Connections closed at the limit: the oldest idle one replaced, or a new one refused."),
    ]

    private static let discovery = [
        MetricDefinition(
            "sts_bridge_record_lookups_total", kind: .counter, labels: ["result"],
            help: "Lookups of a domain's _mta-sts record that ended, by result."),
        MetricDefinition(
            "sts_bridge_policy_fetches_total", kind: .counter, labels: ["result"],
            help:
                "Policy fetches that ended, by result: success, a result type of RFC 8460, or local for an error of this host."
        ),
        MetricDefinition(
            "sts_bridge_policy_fetches_not_started_total", kind: .counter, labels: ["reason"],
            help: "Policy fetches that ended before any connection was tried: no free slot in time, or the queue full."),
        MetricDefinition("sts_bridge_policy_fetches_in_flight", kind: .gauge, help: "Policy fetches that have a slot."),
        MetricDefinition(
            "sts_bridge_policy_fetches_waiting", kind: .gauge, help: "Policy fetches that wait for a slot."),
        MetricDefinition(
            "sts_bridge_policy_fetch_duration_seconds", kind: .histogram(.network),
            help: "Time of one HTTPS request for a policy, all addresses together, successful or not."),
        MetricDefinition(
            "sts_bridge_dane_discoveries_total", kind: .counter, labels: ["coverage"],
            help: "DANE discoveries that ended, by how many of the destination's hosts DANE protects."),
        MetricDefinition(
            "sts_bridge_dns_query_duration_seconds", kind: .histogram(.network), labels: ["resolver"],
            help: "Time of one DNS query with all servers and retries, answered or not."),
        MetricDefinition(
            "sts_bridge_dns_failures_total", kind: .counter, labels: ["resolver", "cause"],
            help: "DNS queries without an answer, by cause."),
        MetricDefinition(
            "sts_bridge_dns_queries_total", kind: .counter, labels: ["outcome", "server"],
            help:
                "Questions to the DNS servers that ended, aliases and keys included, by outcome and the server that answered."
        ),
        MetricDefinition(
            "sts_bridge_dns_queries_in_flight", kind: .gauge,
            help: "Questions to the DNS servers that have no answer yet."),
        MetricDefinition(
            "sts_bridge_dns_retransmissions_total", kind: .counter,
            help: "Times that a question was sent again, to the same or another server."),
        MetricDefinition(
            "sts_bridge_dns_failovers_total", kind: .counter,
            help: "Times that a DNS server was moved behind the others, because another server answered in its place."),
        MetricDefinition(
            "sts_bridge_dns_ignored_messages_total", kind: .counter,
            help: "Messages that did not match their question or could not be read: forged, late or broken."),
    ]

    private static let cache = [
        MetricDefinition(
            "sts_bridge_cached_domains", kind: .gauge, labels: ["state"],
            help: "Domains in memory, by the mode of their policy, or by their state without a policy."),
        MetricDefinition(
            "sts_bridge_failing_domains", kind: .gauge,
            help: "Domains whose last TXT query or policy fetch failed, without those of mode none."),
        MetricDefinition(
            "sts_bridge_policy_soonest_expiry_seconds", kind: .gauge,
            help: "Time until the next policy in use expires; NaN without one."),
        MetricDefinition(
            "sts_bridge_policy_soonest_failing_expiry_seconds", kind: .gauge,
            help: "Time until the next policy expires whose refresh fails; NaN without one."),
        MetricDefinition(
            "sts_bridge_policy_oldest_fetch_seconds", kind: .gauge,
            help: "Time since the oldest fetch of a policy in use; NaN without one."),
        MetricDefinition("sts_bridge_refreshes_due", kind: .gauge, help: "Policies whose refresh is due."),
        MetricDefinition("sts_bridge_discoveries_in_flight", kind: .gauge, help: "Discoveries in progress."),
    ]

    private static let overrides = [
        MetricDefinition(
            "sts_bridge_overrides", kind: .gauge, labels: ["kind"],
            help: "Domains that the operator has exempted or pinned."),
        MetricDefinition(
            "sts_bridge_override_soonest_expiry_seconds", kind: .gauge,
            help: "Time until the next override ends; NaN if no override has an end."),
        MetricDefinition(
            "sts_bridge_observed_total", kind: .counter, labels: ["rule", "reply"],
            help: "Replies that Postfix would have received without observe mode."),
        MetricDefinition(
            "sts_bridge_observe_mode", kind: .gauge,
            help: "1 while observe mode is on and Postfix receives no policies."),
    ]

    private static let store = [
        MetricDefinition(
            "sts_bridge_store_failures_total", kind: .counter, help: "Failed reads and writes of the cache file."),
        MetricDefinition(
            "sts_bridge_store_failing", kind: .gauge, help: "1 while the cache file cannot be read or written."),
        MetricDefinition(
            "sts_bridge_store_unwritten_changes", kind: .gauge,
            help: "Changes that are not written to the cache file yet."),
    ]

    private static let dnssec = [
        MetricDefinition(
            "sts_bridge_dnssec_state", kind: .gauge, labels: ["state"],
            help:
                "1 for the result of the last DNSSEC test of the DNS servers: DNSSEC works, is stripped, or could not be tested."
        ),
        MetricDefinition("sts_bridge_dane_enabled", kind: .gauge, help: "1 while DANE is in use."),
    ]

    private static let process = [
        MetricDefinition(
            "sts_bridge_build_info", kind: .gauge, labels: ["version"], help: "Always 1; the version is the label."),
        MetricDefinition(
            "sts_bridge_process_start_time_seconds", kind: .gauge, help: "Start time of the daemon, in Unix time."),
        MetricDefinition(
            "sts_bridge_log_lines_dropped_total", kind: .counter,
            help: "Log lines dropped because the reader of the log was too slow or has closed it."),
        seriesDropped,
    ]

    /// The registry's own metric.
    package static let seriesDropped = MetricDefinition(
        "sts_bridge_series_dropped_total", kind: .counter,
        help: "Requests for series that are not exported: unknown names or labels, or too many series of one metric.")
}

extension [Double] {
    /// Seconds: the first bucket is for hits, the others for discoveries, up to the longest `lookup.deadline`.
    fileprivate static let answer = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 60]
    /// Seconds: from a server nearby to the timeouts of queries and fetches.
    fileprivate static let network = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30]
}
