import Discovery
import Metrics

/// Measures the time of DNS queries, and counts those without an answer by cause. A cancelled query is not counted.
struct DNSMetrics: Sendable {
    private let duration: Timer
    private let failures: [String: Counter]

    /// - Parameter resolver: the value of the label.
    init(resolver: String, factory: any MetricsFactory) {
        duration = Timer(
            label: "sts_bridge_dns_query_duration_seconds", dimensions: [("resolver", resolver)], factory: factory)
        let counters = DNSError.Cause.labelValues.map { cause in
            let labels = [("resolver", resolver), ("cause", cause)]
            return (cause, Counter(label: "sts_bridge_dns_failures_total", dimensions: labels, factory: factory))
        }
        failures = Dictionary(counters) { first, _ in first }
    }

    func measure<Answer>(
        _ query: () async throws(DNSError) -> Answer
    ) async throws(DNSError) -> Answer {
        let start = ContinuousClock.now
        do throws(DNSError) {
            let answer = try await query()
            duration.record(duration: start.duration(to: .now))
            return answer
        } catch {
            if let cause = error.cause.labelValue {
                duration.record(duration: start.duration(to: .now))
                failures[cause]?.increment()
            }
            throw error
        }
    }
}

extension DNSError.Cause {
    fileprivate static let labelValues = [
        "timed-out", "servfail", "refused", "response-code", "aliases", "malformed", "bogus", "resolver",
        "local",
    ]

    /// `nil`: the query was cancelled, or has not ended.
    fileprivate var labelValue: String? {
        switch self {
        case .timedOut: "timed-out"
        case .responseCode(2): "servfail"
        case .responseCode(5): "refused"
        case .responseCode: "response-code"
        case .aliasChainTooLong: "aliases"
        case .malformedAnswer: "malformed"
        case .bogus: "bogus"
        case .resolver: "resolver"
        case .local: "local"
        case .cancelled, .unfinished: nil
        }
    }
}
