import Metrics
import Synchronization

/// One series of a metric.
///
/// Concurrency: any thread. No two series share a lock, so lookups may use them.
enum PrometheusSeries: Sendable {
    case counter(PrometheusCounter)
    case gauge(PrometheusGauge)
    case histogram(PrometheusHistogram)

    init(_ kind: MetricDefinition.Kind) {
        self =
            switch kind {
            case .counter: .counter(PrometheusCounter())
            case .gauge: .gauge(PrometheusGauge())
            case .histogram(let bounds): .histogram(PrometheusHistogram(bounds: bounds))
            }
    }

    var handler: AnyObject {
        switch self {
        case .counter(let counter): counter
        case .gauge(let gauge): gauge
        case .histogram(let histogram): histogram
        }
    }
}

final class PrometheusCounter: CounterHandler {
    private let count = Atomic<Int64>(0)

    var value: Int64 { count.load(ordering: .relaxed) }

    /// Ignores an amount that is not positive: a counter never decreases.
    func increment(by amount: Int64) {
        guard amount > 0 else { return }
        count.wrappingAdd(amount, ordering: .relaxed)
    }

    func reset() { count.store(0, ordering: .relaxed) }
}

/// A value that is set: a meter, or a recorder that does not aggregate.
final class PrometheusGauge: MeterHandler, RecorderHandler {
    /// The bits of a Double.
    private let bits = Atomic<UInt64>(0)

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    func set(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }
    func record(_ value: Int64) { set(Double(value)) }
    func decrement(by amount: Double) { increment(by: -amount) }

    func increment(by amount: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let (isDone, seen) = bits.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
            if isDone { return }
            old = seen
        }
    }
}

/// A distribution: a timer in seconds, or a recorder that aggregates.
final class PrometheusHistogram: TimerHandler, RecorderHandler {
    struct Snapshot: Equatable, Sendable {
        /// Values in each bucket alone. The last bucket is for values above all bounds.
        var counts: [Int64]
        var sum = 0.0
    }

    let bounds: [Double]
    /// A lock, not atomics: buckets and sum of a scrape are from the same moment.
    private let state: Mutex<Snapshot>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(Snapshot(counts: [Int64](repeating: 0, count: bounds.count + 1)))
    }

    var snapshot: Snapshot { state.withLock { $0 } }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1_000_000_000) }
    func record(_ value: Int64) { record(Double(value)) }

    /// Ignores NaN and infinite values.
    func record(_ value: Double) {
        guard value.isFinite else { return }
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[bucket] += 1
            state.sum += value
        }
    }
}
