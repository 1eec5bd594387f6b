import Metrics
import Synchronization

/// A backend of swift-metrics, and the page on which Prometheus reads the metrics.
///
/// Concurrency: any thread. Making a handler takes the registry's lock; using one does not.
/// Limits: only the metrics and labels of one table, and `seriesLimit` series of each metric.
/// Errors: any other metric gets a handler that does nothing, and is counted in `sts_bridge_series_dropped_total`.
/// Not here: the HTTP server (MonitoringServer), the declarations of the metrics (MetricTable).
package final class PrometheusRegistry: MetricsFactory {
    private struct Family {
        let definition: MetricDefinition
        /// By the values of the labels, in the definition's order.
        var series: [[String]: PrometheusSeries] = [:]
    }

    private struct State {
        /// In the order of the page.
        var families: [Family]
        /// Indices of `families` by the name of the metric.
        let indices: [String: Int]
    }

    private let seriesLimit: Int
    private let drops: PrometheusCounter
    private let state: Mutex<State>

    /// - Parameters:
    ///   - definitions: names are unique.
    ///   - seriesLimit: the largest number of series of one metric. 300 is more than tables times rules times replies.
    package init(_ definitions: [MetricDefinition], seriesLimit: Int = 300) {
        self.seriesLimit = seriesLimit
        drops = PrometheusCounter()
        var families = definitions.filter { $0 != MetricTable.seriesDropped }.map { Family(definition: $0) }
        families.append(Family(definition: MetricTable.seriesDropped, series: [[]: .counter(drops)]))
        let indices = families.enumerated().map { ($1.definition.name, $0) }
        state = Mutex(State(families: families, indices: Dictionary(indices) { first, _ in first }))
    }

    /// The page, in the text format 0.0.4, in the order of the table. A metric without series is left out.
    package func text() -> String {
        let families = state.withLock { $0.families }
        var page = PrometheusText()
        for family in families where !family.series.isEmpty {
            page.begin(family.definition)
            for (values, series) in family.series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                page.add(series, of: family.definition, values: values)
            }
        }
        return page.text
    }

    // MARK: MetricsFactory

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        guard case .counter(let counter) = series(label, dimensions: dimensions, typeName: "counter") else {
            return dropped()
        }
        return counter
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        guard case .gauge(let gauge) = series(label, dimensions: dimensions, typeName: "gauge") else {
            return dropped()
        }
        return gauge
    }

    package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        switch series(label, dimensions: dimensions, typeName: aggregate ? "histogram" : "gauge") {
        case .gauge(let gauge): gauge
        case .histogram(let histogram): histogram
        case .counter, nil: dropped()
        }
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        guard case .histogram(let histogram) = series(label, dimensions: dimensions, typeName: "histogram") else {
            return dropped()
        }
        return histogram
    }

    package func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    package func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    package func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    package func destroyTimer(_ handler: any TimerHandler) { remove(handler) }

    // MARK: Series

    /// A handler that does nothing. Counts the request for it.
    private func dropped() -> NOOPMetricsHandler {
        drops.increment(by: 1)
        return NOOPMetricsHandler.instance
    }

    /// A known or a new series; `nil` if the table does not have it or the limit is reached.
    private func series(
        _ name: String, dimensions: [(String, String)], typeName: String
    ) -> PrometheusSeries? {
        state.withLock { state in
            guard let index = state.indices[name], state.families[index].definition.kind.typeName == typeName,
                let values = state.families[index].definition.values(in: dimensions)
            else { return nil }
            if let known = state.families[index].series[values] { return known }
            guard state.families[index].series.count < seriesLimit else { return nil }
            let new = PrometheusSeries(state.families[index].definition.kind)
            state.families[index].series[values] = new
            return new
        }
    }

    private func remove(_ handler: AnyObject) {
        state.withLock { state in
            for index in state.families.indices {
                guard let found = state.families[index].series.first(where: { $0.value.handler === handler }) else {
                    continue
                }
                state.families[index].series[found.key] = nil
                return
            }
        }
    }
}

extension MetricDefinition {
    /// The values of the labels in their order; `nil` if the dimensions are not exactly these labels.
    fileprivate func values(in dimensions: [(String, String)]) -> [String]? {
        guard dimensions.count == labels.count else { return nil }
        let values = labels.compactMap { label in dimensions.first { $0.0 == label }?.1 }
        return values.count == labels.count ? values : nil
    }
}
