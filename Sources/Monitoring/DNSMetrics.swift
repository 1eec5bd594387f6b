import Discovery
import Metrics

/// How long DNS questions take, and why some get no answer.
///
/// A question that was cancelled says nothing about DNS, and is not counted.
struct DNSMetrics: Sendable {
    private let duration: Timer
    private let failures: [String: Counter]

    /// - Parameter resolver: the label's value.
    init(resolver: String, factory: any MetricsFactory) {
        duration = Timer(
            label: "sts_bridge_dns_query_duration_seconds", dimensions: [("resolver", resolver)], factory: factory)
        let counters = DNSFailure.Cause.words.map { cause in
            let labels = [("resolver", resolver), ("cause", cause)]
            return (cause, Counter(label: "sts_bridge_dns_failures_total", dimensions: labels, factory: factory))
        }
        failures = Dictionary(counters) { first, _ in first }
    }

    func measure<Answer>(
        _ ask: () async throws(DNSFailure) -> Answer
    ) async throws(DNSFailure) -> Answer {
        let start = ContinuousClock.now
        do throws(DNSFailure) {
            let answer = try await ask()
            duration.record(duration: start.duration(to: .now))
            return answer
        } catch {
            if let word = error.cause.word {
                duration.record(duration: start.duration(to: .now))
                failures[word]?.increment()
            }
            throw error
        }
    }
}

extension DNSFailure.Cause {
    fileprivate static let words = [
        "timed-out", "servfail", "refused", "response-code", "aliases", "malformed", "bogus", "resolver",
        "local",
    ]

    /// `nil`: it was cancelled, or is not over.
    fileprivate var word: String? {
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
