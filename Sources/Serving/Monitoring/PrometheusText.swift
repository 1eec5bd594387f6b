/// Writes the text exposition format of Prometheus, version 0.0.4.
struct PrometheusText {
    static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text = ""

    mutating func begin(_ definition: MetricDefinition) {
        text += "# HELP \(definition.name) \(Self.escaped(definition.help))\n"
        text += "# TYPE \(definition.name) \(definition.kind.typeName)\n"
    }

    mutating func add(_ series: PrometheusSeries, of definition: MetricDefinition, values: [String]) {
        let labels = Array(zip(definition.labels, values))
        switch series {
        case .counter(let counter): sample(definition.name, labels: labels, value: "\(counter.value)")
        case .gauge(let gauge): sample(definition.name, labels: labels, value: Self.number(gauge.value))
        case .histogram(let histogram): add(histogram, name: definition.name, labels: labels)
        }
    }

    /// Buckets are cumulative: each counts all values up to its bound.
    private mutating func add(_ histogram: PrometheusHistogram, name: String, labels: [(String, String)]) {
        let snapshot = histogram.snapshot
        var count: Int64 = 0
        for (bound, inBucket) in zip(histogram.bounds + [.infinity], snapshot.counts) {
            count += inBucket
            sample(name + "_bucket", labels: labels + [("le", Self.number(bound))], value: "\(count)")
        }
        sample(name + "_sum", labels: labels, value: Self.number(snapshot.sum))
        sample(name + "_count", labels: labels, value: "\(count)")
    }

    private mutating func sample(_ name: String, labels: [(String, String)], value: String) {
        text += name
        if !labels.isEmpty {
            let pairs = labels.map { "\($0)=\"\(Self.quoted($1))\"" }
            text += "{\(pairs.joined(separator: ","))}"
        }
        text += " \(value)\n"
    }

    /// Escapes the value of a label: as HELP, and quotation marks too.
    private static func quoted(_ value: String) -> String {
        let escaped = escaped(value)
        return escaped.utf8.contains(UInt8(ascii: "\"")) ? escaped.replacing("\"", with: "\\\"") : escaped
    }

    /// Escapes backslashes and newlines. Nearly all texts have none.
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
