import Discovery
import Synchronization

/// What every resolver does when DNS servers and the network fail. It runs real resolvers on `FaultyDNSServer`s.
///
/// Each function is one requirement and returns what does not hold, as sentences. Times are shorter than `dns.timeout`'s
/// default of 5 s where a function's comment gives the factor.
/// Concurrency: any number of functions at once, but bounds on time hold only if the machine has a processor to spare.
/// Not here: percentiles and long runs (the benchmark DNSStorm).
package struct ResolverFaultContract: Sendable {
    let resolver: ResolverUnderTest

    package init(_ resolver: ResolverUnderTest) {
        self.resolver = resolver
    }

    /// How much later than due an answer or a failure may be on a busy machine.
    static let allowance: Duration = .milliseconds(300)

    /// Makes the resolver, calls `body`, and closes the resolver.
    func withClient(
        _ servers: [FaultyDNSServer], timeout: Duration,
        _ body: (ResolverUnderTest.Client) async throws -> [String]
    ) async throws -> [String] {
        try await withClient(servers.map(\.address), timeout: timeout, body)
    }

    func withClient(
        _ servers: [String], timeout: Duration,
        _ body: (ResolverUnderTest.Client) async throws -> [String]
    ) async throws -> [String] {
        let client = try resolver.make(servers, timeout)
        defer { client.close() }
        return try await body(client)
    }

    /// Asks for good names one after the other while `body` runs, at least 10 of them; those that fail are violations.
    func besideGoodNames(
        _ client: ResolverUnderTest.Client, _ body: @escaping @Sendable () async -> [String]
    ) async -> [String] {
        let isOver = OneWayFlag()
        async let violations = goodNames(client, until: isOver)
        let others = await body()
        isOver.set()
        return others + (await violations)
    }

    private func goodNames(_ client: ResolverUnderTest.Client, until isOver: OneWayFlag) async -> [String] {
        var number = 0
        while number < 10 || !isOver.isSet {
            let result = await client.ask("good\(number).fine.test")
            guard result.isEcho else { return ["a good name beside: \(result.summary)"] }
            number += 1
            try? await Task.sleep(for: .milliseconds(20))
        }
        return []
    }
}

/// A flag that is set once.
private final class OneWayFlag: Sendable {
    private let value = Atomic(false)

    var isSet: Bool { value.load(ordering: .acquiring) }
    func set() { value.store(true, ordering: .releasing) }
}

extension [String] {
    mutating func demand(_ holds: Bool, _ violation: @autoclosure () -> String) {
        if !holds { append(violation()) }
    }

    /// `result` must be the echo, not later than `limit`.
    mutating func demandEcho(_ result: AskResult, within limit: Duration? = nil) {
        demand(result.isEcho, result.summary)
        if let limit { demand(result.elapsed <= limit, "later than \(limit.seconds) s: \(result.summary)") }
    }

    /// `result` must be a time-out, not before `timeout` and soon after it.
    mutating func demandTimeout(_ result: AskResult, of timeout: Duration) {
        demand(result.cause == .timedOut(after: timeout), result.summary)
        demand(result.elapsed >= timeout, "sooner than \(timeout.seconds) s: \(result.summary)")
        demandEnd(result, timeout: timeout)
    }

    /// `result` must be a failure or an answer soon after `timeout`.
    mutating func demandEnd(_ result: AskResult, timeout: Duration) {
        demand(
            result.elapsed <= timeout + ResolverFaultContract.allowance,
            "later than \(timeout.seconds) s: \(result.summary)")
    }
}
