import Foundation
import Metrics

/// The version of sts-bridge. The Makefile and .ci read it from this file.
package enum Version {
    package static let current = "0.1.0"
    /// The date of the release, in the form of mdoc(7).
    package static let date = "November 21, 2026"

    /// The User-Agent of policy fetches. It is stable, so that a bot filter can recognise it; the URL explains the request.
    package static let userAgent = "sts-bridge/\(current) (+https://www.rfc-editor.org/rfc/rfc8461)"
}

/// Publishes the version and the start time, which do not change while the process runs.
enum ProcessMetrics {
    static func publish(to factory: any MetricsFactory, startedAt: Date = Date()) {
        Meter(label: "sts_bridge_build_info", dimensions: [("version", Version.current)], factory: factory).set(1)
        Meter(label: "sts_bridge_process_start_time_seconds", factory: factory).set(startedAt.timeIntervalSince1970)
    }
}
