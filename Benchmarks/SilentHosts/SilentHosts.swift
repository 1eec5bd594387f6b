import CurlHTTPS
import Discovery
import Foundation
import TestSupport

/// Measures the cost of policy hosts that do not answer, and their effect on a host that does. Real sockets, real TLS.
///
///     swift run --configuration release SilentHostsBenchmark MODE [SLOTS]      default: 512 slots
///
/// MODE is `tcp` or `tls`. One process measures one mode: the second would use memory that the first has freed, and show no
/// growth.
/// First as many fetches as there are slots, to hosts that accept connections (`tcp`) or that also complete the TLS
/// handshake (`tls`): memory and CPU time. Then 10,000 domains at once (`Flood`), and meanwhile a first contact twice a
/// second: how long each takes. Needs python3 and openssl; server.py beside this file is the hosts.
@main
enum SilentHosts {
    static func main() async throws {
        guard let (mode, slots) = settings(CommandLine.arguments.dropFirst()) else {
            print("usage: SilentHosts tcp|tls [SLOTS], 1 to 10000 slots")
            exit(2)
        }
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let hosts = try PolicyHosts(mode: mode)
        try await cost(of: hosts, slots: slots)
        for flood in Flood.allCases { try await latency(beside: flood, of: hosts, slots: slots) }
        hosts.close()
    }

    /// - Returns: `nil` for invalid arguments.
    private static func settings(_ arguments: ArraySlice<String>) -> (mode: String, slots: Int)? {
        guard let mode = arguments.first, ["tcp", "tls"].contains(mode), arguments.count <= 2 else { return nil }
        guard arguments.count == 2 else { return (mode, 512) }
        return arguments.last.flatMap { Int($0) }.flatMap { (1...10_000).contains($0) ? (mode, $0) : nil }
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
                + "begin, \(usage.processorTime - start) CPU in 5 s without an answer")
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
