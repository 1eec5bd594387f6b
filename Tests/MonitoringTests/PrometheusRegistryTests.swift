import Metrics
import Testing

@testable import Monitoring

@Suite struct PrometheusRegistryTests {
    private let registry = PrometheusRegistry(
        [
            MetricDefinition(
                "sts_bridge_apples_total", kind: .counter, labels: ["kind", "size"], help: "Apples, picked."),
            MetricDefinition("sts_bridge_ladders", kind: .gauge, help: "Ladders in use."),
            MetricDefinition("sts_bridge_climb_seconds", kind: .histogram([0.1, 1, 2.5]), help: "Time to the top."),
        ], seriesLimit: 3)

    /// The lines of the page without comments and without the registry's own metric.
    private var samples: [String] {
        registry.text().split(separator: "\n").map(String.init)
            .filter { !$0.hasPrefix("#") && !$0.hasPrefix(MetricTable.seriesDropped.name) }
    }

    private var dropped: String? {
        registry.text().split(separator: "\n").last.map(String.init)
    }

    private func apples(_ kind: String, size: String = "big") -> Counter {
        Counter(
            label: "sts_bridge_apples_total", dimensions: [("kind", kind), ("size", size)], factory: registry)
    }

    @Test func `the page has HELP, TYPE and samples, in the table's order`() {
        Meter(label: "sts_bridge_ladders", factory: registry).set(2)
        apples("red").increment(by: 3)
        #expect(
            registry.text() == """
                # HELP sts_bridge_apples_total Apples, picked.
                # TYPE sts_bridge_apples_total counter
                sts_bridge_apples_total{kind="red",size="big"} 3
                # HELP sts_bridge_ladders Ladders in use.
                # TYPE sts_bridge_ladders gauge
                sts_bridge_ladders 2
                # HELP sts_bridge_series_dropped_total \(MetricTable.seriesDropped.help)
                # TYPE sts_bridge_series_dropped_total counter
                sts_bridge_series_dropped_total 0

                """)
    }

    @Test func `the same name and labels, in whatever order, are the same series`() {
        apples("red").increment()
        Counter(
            label: "sts_bridge_apples_total", dimensions: [("size", "big"), ("kind", "red")], factory: registry
        ).increment()
        apples("red", size: "small").increment(by: 5)
        #expect(
            samples == [
                #"sts_bridge_apples_total{kind="red",size="big"} 2"#,
                #"sts_bridge_apples_total{kind="red",size="small"} 5"#,
            ])
    }

    @Test func `a counter never decreases`() {
        let counter = apples("red")
        counter.increment(by: 4)
        counter.increment(by: -3)
        counter.increment(by: 0)
        #expect(samples == [#"sts_bridge_apples_total{kind="red",size="big"} 4"#])
    }

    @Test func `label values and HELP are escaped as the format demands`() {
        apples("a\"b\\c\nd").increment()
        #expect(samples == [#"sts_bridge_apples_total{kind="a\"b\\c\nd",size="big"} 1"#])
        let odd = PrometheusRegistry([MetricDefinition("sts_bridge_odd", kind: .gauge, help: "One \\ two\n\"three\".")])
        Meter(label: "sts_bridge_odd", factory: odd).set(1)
        #expect(odd.text().hasPrefix(#"# HELP sts_bridge_odd One \\ two\n"three"."# + "\n"))
    }

    @Test(arguments: [
        (0.0, "0"), (-1.5, "-1.5"), (1_790_000_000.25, "1790000000.25"), (3.0, "3"), (1e300, "1e+300"), (.nan, "NaN"),
        (.infinity, "+Inf"), (-.infinity, "-Inf"),
    ])
    func `numbers are written as Prometheus reads them`(value: Double, text: String) {
        Meter(label: "sts_bridge_ladders", factory: registry).set(value)
        #expect(samples == ["sts_bridge_ladders \(text)"])
    }

    @Test func `a gauge is a meter, or a recorder that does not aggregate`() {
        let meter = Meter(label: "sts_bridge_ladders", factory: registry)
        meter.set(5)
        meter.increment(by: 2.5)
        meter.decrement()
        #expect(samples == ["sts_bridge_ladders 6.5"])
        Gauge(label: "sts_bridge_ladders", factory: registry).record(9)
        #expect(samples == ["sts_bridge_ladders 9"])
    }

    @Test func `buckets are cumulative, include their bound, and end with +Inf`() {
        let timer = Timer(label: "sts_bridge_climb_seconds", factory: registry)
        timer.recordMilliseconds(50)
        timer.recordMilliseconds(100)
        timer.recordNanoseconds(100_000_001)
        timer.recordSeconds(2)
        timer.recordSeconds(100)
        #expect(
            samples == [
                #"sts_bridge_climb_seconds_bucket{le="0.1"} 2"#, #"sts_bridge_climb_seconds_bucket{le="1"} 3"#,
                #"sts_bridge_climb_seconds_bucket{le="2.5"} 4"#, #"sts_bridge_climb_seconds_bucket{le="+Inf"} 5"#,
                "sts_bridge_climb_seconds_sum 102.250000001", "sts_bridge_climb_seconds_count 5",
            ])
    }

    @Test func `a recorder that aggregates is a histogram, and ignores NaN and infinity`() {
        let recorder = Recorder(label: "sts_bridge_climb_seconds", factory: registry)
        recorder.record(0.5)
        recorder.record(Double.nan)
        recorder.record(Double.infinity)
        #expect(samples.suffix(2) == ["sts_bridge_climb_seconds_sum 0.5", "sts_bridge_climb_seconds_count 1"])
    }

    @Test func `an unknown name or label gets no series and is counted`() {
        Counter(label: "sts_bridge_pears_total", factory: registry).increment()
        Counter(label: "sts_bridge_apples_total", factory: registry).increment()
        Counter(
            label: "sts_bridge_apples_total", dimensions: [("kind", "red"), ("domain", "example.com")],
            factory: registry
        ).increment()
        Counter(
            label: "sts_bridge_apples_total", dimensions: [("kind", "red"), ("kind", "red")], factory: registry
        ).increment()
        #expect(dropped == "sts_bridge_series_dropped_total 4")
        #expect(samples == [])
    }

    @Test func `a metric requested with another type gets no series and is counted`() {
        Counter(label: "sts_bridge_ladders", factory: registry).increment()
        Meter(label: "sts_bridge_climb_seconds", factory: registry).set(1)
        Timer(label: "sts_bridge_ladders", factory: registry).recordSeconds(1)
        Recorder(label: "sts_bridge_ladders", aggregate: true, factory: registry).record(1)
        Gauge(label: "sts_bridge_climb_seconds", factory: registry).record(1)
        #expect(dropped == "sts_bridge_series_dropped_total 5")
        #expect(samples == [])
    }

    @Test func `a metric has no more series than the limit, and the first ones go on`() {
        for number in 1...5 { apples("\(number)").increment() }
        apples("2").increment()
        #expect(
            samples == [
                #"sts_bridge_apples_total{kind="1",size="big"} 1"#, #"sts_bridge_apples_total{kind="2",size="big"} 2"#,
                #"sts_bridge_apples_total{kind="3",size="big"} 1"#,
            ])
        #expect(dropped == "sts_bridge_series_dropped_total 2")
    }

    @Test func `a destroyed series disappears from the page and makes space for another`() {
        let counters = (1...3).map { apples("\($0)") }
        counters[1].destroy()
        apples("4").increment()
        #expect(samples.map { $0.contains(#"kind="2""#) } == [false, false, false])
        Meter(label: "sts_bridge_ladders", factory: registry).destroy()
        Timer(label: "sts_bridge_climb_seconds", factory: registry).destroy()
        #expect(samples.count == 3)
        #expect(dropped == "sts_bridge_series_dropped_total 0")
    }

    @Test func `many threads at once lose nothing`() async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<2_000 {
                        apples("red").increment()
                        Meter(label: "sts_bridge_ladders", factory: registry).increment(by: 0.5)
                        Timer(label: "sts_bridge_climb_seconds", factory: registry).recordSeconds(1)
                    }
                }
            }
            group.addTask {
                for _ in 0..<50 { #expect(registry.text().hasSuffix("\n")) }
            }
        }
        #expect(samples.contains(#"sts_bridge_apples_total{kind="red",size="big"} 16000"#))
        #expect(samples.contains("sts_bridge_ladders 8000"))
        #expect(samples.contains("sts_bridge_climb_seconds_count 16000"))
        #expect(samples.contains("sts_bridge_climb_seconds_sum 16000"))
    }
}
