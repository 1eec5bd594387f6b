import Discovery
import DNSClient
import Metrics
import Synchronization

/// Counts the events of the DNS transport, for plain and for validated queries.
///
/// Concurrency: the transport's thread; several threads after a reload.
struct TransportMetrics: Sendable {
    private let factory: any MetricsFactory
    private let inFlight: Meter
    private let retransmissions: Counter
    private let failOvers: Counter
    private let ignored: Counter

    init(_ factory: any MetricsFactory) {
        self.factory = factory
        inFlight = Meter(label: "sts_bridge_dns_queries_in_flight", factory: factory)
        retransmissions = Counter(label: "sts_bridge_dns_retransmissions_total", factory: factory)
        failOvers = Counter(label: "sts_bridge_dns_failovers_total", factory: factory)
        ignored = Counter(label: "sts_bridge_dns_ignored_messages_total", factory: factory)
    }

    func count(_ event: TransportEvent) {
        switch event {
        case .began: inFlight.increment()
        case .retransmitted: retransmissions.increment()
        case .failedOver: failOvers.increment()
        case .ignored: ignored.increment()
        case .ended(let cause, let server):
            inFlight.decrement()
            let outcome = cause.map(\.outcome) ?? "answered"
            Counter(
                label: "sts_bridge_dns_queries_total",
                dimensions: [("outcome", outcome), ("server", server?.description ?? "none")], factory: factory
            ).increment()
        }
    }
}

extension DNSError.Cause {
    /// The value of the metric's label.
    fileprivate var outcome: String {
        switch self {
        case .responseCode(2): "servfail"
        case .responseCode(5): "refused"
        case .responseCode: "response-code"
        case .timedOut: "timed-out"
        case .malformedAnswer: "malformed"
        case .local: "local"
        case .cancelled: "cancelled"
        case .aliasChainTooLong, .bogus, .resolver, .unfinished: "other"
        }
    }
}
