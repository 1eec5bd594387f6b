import Synchronization

/// Silent names at a steady rate, and good names at a steady rate that start 3 s later.
///
/// The silent names alone come first so that a resolver that judges the server by them has done so before the first answer.
package struct SilentNameStorm: Sendable {
    package let silentPerSecond: Int
    package let goodPerSecond: Int
    /// Of the good names; at least as long as the time-out, it has as many questions open as there ever will be.
    package let duration: Duration

    package static let leadTime: Duration = .seconds(3)

    package init(silentPerSecond: Int, goodPerSecond: Int, duration: Duration) {
        self.silentPerSecond = silentPerSecond
        self.goodPerSecond = goodPerSecond
        self.duration = duration
    }

    /// Returns when every question is over. The server behaves as `DNSBehavior.byName`; `timeout` is the client's.
    package func run(
        on client: ResolverUnderTest.Client, timeout: Duration
    ) async -> (silent: AskTally, good: AskTally) {
        async let silent = AskTally(
            client, zone: "silent.test", perSecond: silentPerSecond, for: Self.leadTime + duration,
            timeout: timeout)
        try? await Task.sleep(for: Self.leadTime)
        async let good = AskTally(client, zone: "fine.test", perSecond: goodPerSecond, for: duration, timeout: timeout)
        return (await silent, await good)
    }
}

/// How many questions ended how.
package struct AskTally: Sendable {
    package private(set) var asked = 0
    /// Every end but the echo.
    package private(set) var failed = 0
    package private(set) var firstFailure: String?
    /// Every end before the time-out but the echo.
    package private(set) var early = 0
    package private(set) var firstEarly: String?
    /// Of the answered questions.
    package private(set) var times: [Duration] = []

    /// Asks for new names of `zone` at a steady rate, and waits for the end of all. A late question starts at once, so that
    /// the number of questions is exact.
    package init(
        _ client: ResolverUnderTest.Client, zone: String, perSecond rate: Int, for duration: Duration,
        timeout: Duration
    ) async {
        let shared = SharedTally()
        let started = ContinuousClock.now
        await withDiscardingTaskGroup { group in
            for number in 0..<Int(duration / .seconds(1) * Double(rate)) {
                let due = started + .seconds(1) * number / rate
                if due - .now > .milliseconds(1) { try? await Task.sleep(until: due, clock: .continuous) }
                group.addTask {
                    let result = await client.ask("n\(number).\(zone)")
                    shared.tally.withLock { $0.add(result, timeout: timeout) }
                }
            }
        }
        self = shared.tally.withLock(\.self)
    }

    private init() {}

    private final class SharedTally: Sendable {
        let tally = Mutex(AskTally())
    }

    private mutating func add(_ result: AskResult, timeout: Duration) {
        asked += 1
        guard !result.isEcho else { return times.append(result.elapsed) }
        failed += 1
        firstFailure = firstFailure ?? result.summary
        guard result.elapsed < timeout else { return }
        early += 1
        firstEarly = firstEarly ?? result.summary
    }

    /// The time that a share of the answered questions did not exceed; zero if there are none.
    package func percentile(_ share: Double) -> Duration {
        let sorted = times.sorted()
        guard !sorted.isEmpty else { return .zero }
        return sorted[min(Int(Double(sorted.count) * share), sorted.count - 1)]
    }
}
