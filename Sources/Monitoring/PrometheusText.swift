/// Writes the text exposition format of Prometheus, version 0.0.4.
struct PrometheusText {
    static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text = ""

    mutating func begin(_ definition: MetricDefinition) {
        text += "# HELP \(definition.name) \(Self.escaped(definition.help))\n"
        text += "# TYPE \(definition.name) \(definition.kind.word)\n"
    }

    mutating func add(_ series: PrometheusSeries, of definition: MetricDefinition, _ values: [String]) {
        let labels = Array(zip(definition.labels, values))
        switch series {
        case .counter(let counter): sample(definition.name, labels, "\(counter.value)")
        case .gauge(let gauge): sample(definition.name, labels, Self.number(gauge.value))
        case .histogram(let histogram): add(histogram, definition.name, labels)
        }
    }

    /// Buckets are cumulative: each holds all that is not above its bound.
    private mutating func add(_ histogram: PrometheusHistogram, _ name: String, _ labels: [(String, String)]) {
        let snapshot = histogram.snapshot
        var count: Int64 = 0
        for (bound, inBucket) in zip(histogram.bounds + [.infinity], snapshot.counts) {
            count += inBucket
            sample(name + "_bucket", labels + [("le", Self.number(bound))], "\(count)")
        }
        sample(name + "_sum", labels, Self.number(snapshot.sum))
        sample(name + "_count", labels, "\(count)")
    }

    private mutating func sample(_ name: String, _ labels: [(String, String)], _ value: String) {
        text += name
        if !labels.isEmpty {
            let pairs = labels.map { "\($0)=\"\(Self.quoted($1))\"" }
            text += "{\(pairs.joined(separator: ","))}"
        }
        text += " \(value)\n"
    }

    /// A label's value: as HELP, and quotation marks besides.
    private static func quoted(_ value: String) -> String {
        let escaped = escaped(value)
        return escaped.utf8.contains(UInt8(ascii: "\"")) ? escaped.replacing("\"", with: "\\\"") : escaped
    }

    /// Nearly all texts are as they are.
    private static func escaped(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "\n") }) else { return text }
        return text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return Int64(exactly: value).map { "\($0)" } ?? "\(value)"
    }
}
