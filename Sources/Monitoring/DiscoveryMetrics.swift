import DANE
import Discovery
import Metrics

/// Counts how discoveries end. One that was cancelled says nothing about its domain, and is not counted.
package struct DiscoveryMetrics: Sendable {
    private let records: [String: Counter]
    private let fetches: [String: Counter]
    private let findings: [String: Counter]
    private let fetchDuration: Timer
    private let notDialled: [String: Counter]

    package init(factory: any MetricsFactory) {
        // Made beforehand: a series that begins with its first event hides that event from increase().
        func counters(_ name: String, _ label: String, _ words: [String]) -> [String: Counter] {
            let counters = words.map { ($0, Counter(label: name, dimensions: [(label, $0)], factory: factory)) }
            return Dictionary(counters) { first, _ in first }
        }
        records = counters("sts_bridge_record_lookups_total", "finding", RecordFinding.words)
        fetches = counters("sts_bridge_policy_fetches_total", "result", PolicyFinding.words)
        findings = counters("sts_bridge_dane_discoveries_total", "coverage", Coverage.words)
        notDialled = counters("sts_bridge_policy_fetches_not_dialled_total", "reason", SlotShortage.words)
        fetchDuration = Timer(label: "sts_bridge_policy_fetch_duration_seconds", factory: factory)
    }

    package func count(_ ending: DiscoveryEnding) {
        switch ending {
        case .record(let report):
            report.finding.word.flatMap { records[$0] }?.increment()
        case .policy(let report):
            if let word = report.finding.notDialled {
                notDialled[word]?.increment()
                return
            }
            guard let word = report.finding.word else { return }
            fetches[word]?.increment()
            if !report.dialled.isEmpty { fetchDuration.record(duration: report.fetchDuration) }
        case .dane(let report):
            guard report.finding.failure?.cause != .cancelled else { return }
            findings[report.finding.coverage(wasSigned: false).word]?.increment()
        }
    }
}

extension RecordFinding {
    fileprivate static let words = ["published", "none", "several", "invalid", "failed"]

    /// `nil`: it was cancelled.
    fileprivate var word: String? {
        switch self {
        case .published: "published"
        case .absent(.nameError), .absent(.noData), .absent(.noCandidate): "none"
        case .absent(.several): "several"
        case .absent(.invalid): "invalid"
        case .failed(let failure): failure.cause == .cancelled ? nil : "failed"
        }
    }
}

extension PolicyFinding {
    fileprivate static let words = ["success"] + PolicyFailure.Category.allCases.map(\.rawValue) + ["local"]

    /// `nil`: it was cancelled.
    fileprivate var word: String? {
        switch self {
        case .policy: "success"
        case .failed(.fetch(.cancelled)): nil
        case .failed(.hostLookup(let failure)) where failure.cause == .cancelled: nil
        case .failed(let failure): failure.category?.rawValue ?? "local"
        }
    }

    /// Why no address was dialled for want of a fetch slot; `nil`: that did not happen.
    fileprivate var notDialled: String? {
        guard case .failed(.fetch(.noSlot(let shortage))) = self else { return nil }
        return shortage.word
    }
}

extension SlotShortage {
    fileprivate static let words = ["no-slot", "queue-full"]

    /// `nil`: it was dialled.
    fileprivate var word: String? {
        switch self {
        case .notDialled: "no-slot"
        case .queueFull: "queue-full"
        case .interrupted: nil
        }
    }
}

extension Coverage {
    fileprivate static let words = ["complete", "partial", "unknown", "none"]

    fileprivate var word: String {
        switch self {
        case .complete: "complete"
        case .partial: "partial"
        case .unknown: "unknown"
        case .notApplicable: "none"
        }
    }
}
