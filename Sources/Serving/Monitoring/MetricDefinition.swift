/// One metric on `/metrics`: name, type, labels and meaning.
package struct MetricDefinition: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// Never decreases; the name ends in `_total`.
        case counter
        case gauge
        /// Upper bounds of the buckets in the metric's unit, in ascending order, without `+Inf`.
        case histogram([Double])
    }

    /// Begins with `sts_bridge_`. A unit in it is a base unit (seconds, bytes).
    package let name: String
    package let kind: Kind
    /// Names of labels. Their values are few and constant: never a domain or other text from outside.
    package let labels: [String]
    /// One sentence for `# HELP` and for Documentation/monitoring.md.
    package let help: String

    package init(_ name: String, kind: Kind, labels: [String] = [], help: String) {
        self.name = name
        self.kind = kind
        self.labels = labels
        self.help = help
    }
}

extension MetricDefinition.Kind {
    /// The name in the text format.
    package var typeName: String {
        switch self {
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram: "histogram"
        }
    }
}
