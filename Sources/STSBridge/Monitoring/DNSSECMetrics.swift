import Metrics
import UnboundDNS

/// What the last look at the DNS servers found: one of the states is 1. Before the first look, and where nobody looks, none
/// is.
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

    /// - Parameter standing: `nil`: these servers were not looked at yet.
    func tell(_ standing: DNSSECStanding?) {
        for meter in [works, stripped, unreachable] { meter.set(0) }
        switch standing {
        case .works, .worksElsewhere: works.set(1)
        case .stripped: stripped.set(1)
        case .unreachable: unreachable.set(1)
        case nil: break
        }
    }
}
