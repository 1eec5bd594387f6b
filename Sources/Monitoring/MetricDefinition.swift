/// One metric as `/metrics` shows it: its name, its type, its labels, and what it means.
package struct MetricDefinition: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// Only ever rises; its name ends in `_total`.
        case counter
        case gauge
        /// Upper bounds of the buckets in the metric's unit, rising; `+Inf` is added to them.
        case histogram([Double])
    }

    /// Begins with `sts_bridge_`; a unit in it is a base unit (seconds, bytes).
    package let name: String
    package let kind: Kind
    /// Names of labels. Their values are few and known beforehand: never a domain, nor anything else from outside.
    package let labels: [String]
    /// One sentence.
    package let help: String

    package init(_ name: String, _ kind: Kind, labels: [String] = [], _ help: String) {
        self.name = name
        self.kind = kind
        self.labels = labels
        self.help = help
    }
}

extension MetricDefinition.Kind {
    /// As the text format spells it.
    package var word: String {
        switch self {
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram: "histogram"
        }
    }
}
