import Foundation
import Metrics

/// What stays the same for as long as the process runs.
enum ProcessMetrics {
    static func tell(_ factory: any MetricsFactory, startedAt: Date = Date()) {
        Meter(label: "sts_bridge_build_info", dimensions: [("version", Version.current)], factory: factory).set(1)
        Meter(label: "sts_bridge_process_start_time_seconds", factory: factory).set(startedAt.timeIntervalSince1970)
    }
}
