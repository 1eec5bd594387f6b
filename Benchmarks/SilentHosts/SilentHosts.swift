import CurlHTTPS
import Discovery
import Foundation
import TestSupport

/// What policy hosts that stay silent cost, and what they do to a host that answers. Real sockets, real TLS.
///
///     swift run --configuration release SilentHosts [SLOTS]      512 without it
///
/// First as many fetches as there are slots, to hosts that accept connections and to hosts that also complete the TLS
/// handshake: memory and CPU time. Then 10,000 domains at once (`Flood`), and meanwhile a first contact twice a second: how
/// long each takes. Needs python3 and openssl; server.py beside this file is the hosts.
@main
enum SilentHosts {
    static func main() async throws {
        let slots = try slots(CommandLine.arguments.dropFirst())
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        for mode in ["tcp", "tls"] {
            let hosts = try PolicyHosts(mode: mode)
            try await cost(of: hosts, slots: slots)
            for flood in Flood.allCases { try await latency(beside: flood, of: hosts, slots: slots) }
            hosts.close()
        }
    }

    private struct UsageError: Error, CustomStringConvertible {
        let description = "usage: SilentHosts [SLOTS], 1 to 10000"
    }

    private static func slots(_ arguments: ArraySlice<String>) throws(UsageError) -> Int {
        guard let text = arguments.first else { return 512 }
        guard arguments.count == 1, let slots = Int(text), (1...10_000).contains(slots) else { throw UsageError() }
        return slots
    }

    private static func cost(of hosts: PolicyHosts, slots: Int) async throws {
        let (fetcher, load) = try hosts.fetcher(slots: slots)
        _ = try await fetcher.fetch(Flood.thousandAddresses.good)
        let usage = ResourceUsage()
        let tasks = (0..<slots).map { number in
            Task { try? await fetcher.fetch(Flood.thousandAddresses.request(number)) }
        }
        try await Task.sleep(for: .seconds(3))
        let (memory, start, inFlight) = (usage.memoryGrowth, usage.processorTime, load.withLock(\.inFlight))
        try await Task.sleep(for: .seconds(5))
        print(
            "\(hosts.mode): \(inFlight) in flight, \(memory / 1_024 / max(1, inFlight)) KB each; \(start) CPU for all to "
                + "begin, \(usage.processorTime - start) CPU in 5 s of silence")
        await fetcher.close()
        for task in tasks { _ = await task.value }
    }

    private static func latency(beside flood: Flood, of hosts: PolicyHosts, slots: Int) async throws {
        let (fetcher, load) = try hosts.fetcher(slots: slots)
        let usage = ResourceUsage()
        let tasks = (0..<10_000).map { number in Task { try? await fetcher.fetch(flood.request(number)) } }
        while load.withLock({ $0.inFlight + $0.waiting }) < 10_000 { await Task.yield() }
        var times: [Duration] = []
        var failures = 0
        for _ in 0..<20 {
            let start = ContinuousClock.now
            do { _ = try await fetcher.fetch(flood.good) } catch { failures += 1 }
            times.append(.now - start)
            try await Task.sleep(for: .milliseconds(500))
        }
        print(
            "\(hosts.mode), \(flood): first \(times[0]), longest \(times.max() ?? .zero), failures \(failures) of 20; "
                + "\(usage.memoryGrowth / 1_048_576) MB, \(usage.processorTime) CPU")
        await fetcher.close()
        for task in tasks { _ = await task.value }
    }
}
