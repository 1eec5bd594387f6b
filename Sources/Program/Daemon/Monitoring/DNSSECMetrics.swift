import Metrics
import UnboundDNS

/// Publishes the result of the last DNSSEC probe: one of the states is 1. Before the first result, and without DANE, all
/// are 0.
struct DNSSECMetrics: Sendable {
    private let works: Meter
    private let stripped: Meter
    private let unreachable: Meter

    init(_ factory: any MetricsFactory) {
        func meter(_ state: String) -> Meter {
            Meter(label: "sts_bridge_dnssec_state", dimensions: [("state", state)], factory: factory)
        }
        works = meter("works")
        stripped = meter("stripped")
        unreachable = meter("unreachable")
    }

    /// - Parameter status: `nil`: there is no result yet.
    func update(_ status: DNSSECStatus?) {
        for meter in [works, stripped, unreachable] { meter.set(0) }
        switch status {
        case .works, .worksElsewhere: works.set(1)
        case .stripped: stripped.set(1)
        case .unreachable: unreachable.set(1)
        case nil: break
        }
    }
}
