import Metrics
import Synchronization

/// What is counted, and the page on which Prometheus reads it: a backend of swift-metrics.
///
/// Keeps the metrics of one table and no others, each with the labels that the table gives it, and of each only so many
/// series: whatever is asked for besides gets a handler that forgets, and is counted in `sts_bridge_series_dropped_total`.
/// Concurrency: any thread. Making a handler takes the registry's lock, using one does not.
/// Fails by: forgetting; whoever counts is never refused.
/// Not here: who serves the page (MonitoringServer), what the metrics are (MetricTable).
package final class PrometheusRegistry: MetricsFactory {
    private struct Family {
        let definition: MetricDefinition
        /// By the values of the labels, in the definition's order.
        var series: [[String]: PrometheusSeries] = [:]
    }

    private struct State {
        /// In the order of the page.
        var families: [Family]
        let places: [String: Int]
    }

    /// What the registry says of itself.
    package static let dropped = MetricDefinition(
        "sts_bridge_series_dropped_total", .counter,
        "Requests for series that are not kept: unknown names or labels, or too many of one metric.")

    private let seriesLimit: Int
    private let drops: PrometheusCounter
    private let state: Mutex<State>

    /// - Parameters:
    ///   - definitions: names are unique.
    ///   - seriesLimit: how many series a metric may have. 300: more than both tables times all rules times all replies.
    package init(_ definitions: [MetricDefinition], seriesLimit: Int = 300) {
        self.seriesLimit = seriesLimit
        drops = PrometheusCounter()
        var families = definitions.filter { $0 != Self.dropped }.map { Family(definition: $0) }
        families.append(Family(definition: Self.dropped, series: [[]: .counter(drops)]))
        let places = families.enumerated().map { ($1.definition.name, $0) }
        state = Mutex(State(families: families, places: Dictionary(places) { first, _ in first }))
    }

    /// The page, in the text format 0.0.4. Metrics stand in the table's order; one without series is left out.
    package func text() -> String {
        let families = state.withLock { $0.families }
        var page = PrometheusText()
        for family in families where !family.series.isEmpty {
            page.begin(family.definition)
            for (values, series) in family.series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                page.add(series, of: family.definition, values)
            }
        }
        return page.text
    }

    // MARK: MetricsFactory

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        guard case .counter(let counter) = series(label, dimensions, as: "counter") else { return forgetful }
        return counter
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        guard case .gauge(let gauge) = series(label, dimensions, as: "gauge") else { return forgetful }
        return gauge
    }

    package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        switch series(label, dimensions, as: aggregate ? "histogram" : "gauge") {
        case .gauge(let gauge): gauge
        case .histogram(let histogram): histogram
        case .counter, nil: forgetful
        }
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        guard case .histogram(let histogram) = series(label, dimensions, as: "histogram") else { return forgetful }
        return histogram
    }

    package func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    package func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    package func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    package func destroyTimer(_ handler: any TimerHandler) { remove(handler) }

    // MARK: Series

    private var forgetful: NOOPMetricsHandler {
        drops.increment(by: 1)
        return NOOPMetricsHandler.instance
    }

    /// The one that is there, or a new one; `nil` where there is none to be.
    private func series(_ name: String, _ dimensions: [(String, String)], as word: String) -> PrometheusSeries? {
        state.withLock { state in
            guard let place = state.places[name], state.families[place].definition.kind.word == word,
                let values = state.families[place].definition.values(in: dimensions)
            else { return nil }
            if let known = state.families[place].series[values] { return known }
            guard state.families[place].series.count < seriesLimit else { return nil }
            let new = PrometheusSeries(state.families[place].definition.kind)
            state.families[place].series[values] = new
            return new
        }
    }

    private func remove(_ handler: AnyObject) {
        state.withLock { state in
            for place in state.families.indices {
                guard let found = state.families[place].series.first(where: { $0.value.handler === handler }) else {
                    continue
                }
                state.families[place].series[found.key] = nil
                return
            }
        }
    }
}

extension MetricDefinition {
    /// The values of the labels in their order; `nil` where the dimensions are not exactly these labels.
    fileprivate func values(in dimensions: [(String, String)]) -> [String]? {
        guard dimensions.count == labels.count else { return nil }
        let values = labels.compactMap { label in dimensions.first { $0.0 == label }?.1 }
        return values.count == labels.count ? values : nil
    }
}
