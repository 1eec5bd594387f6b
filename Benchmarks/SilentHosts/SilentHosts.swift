import CurlHTTPS
import Discovery
import Foundation
import Synchronization

/// What policy hosts that stay silent cost, and what they do to a host that answers. Real sockets, real TLS.
///
///     swift run --configuration release SilentHosts [SLOTS]      512 without it
///
/// First as many fetches as there are slots, to hosts that accept and to hosts that also shake hands: memory and CPU. Then
/// 10,000 domains at once, of one address, of a thousand addresses, of one zone, and meanwhile a first contact twice a
/// second: how long each takes. Needs python3 and openssl; server.py beside this file plays the hosts.
@main
enum SilentHosts {
    static func main() async throws {
        let slots = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 512
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        for mode in ["tcp", "tls"] {
            let hosts = try Hosts(mode)
            try await cost(of: hosts, slots)
            for flood in Flood.allCases { try await latency(beside: flood, of: hosts, slots) }
            hosts.close()
        }
    }

    private static func cost(of hosts: Hosts, _ slots: Int) async throws {
        let (fetcher, load) = try hosts.fetcher(slots)
        _ = try await fetcher.fetch(Flood.thousandAddresses.good)
        let before = Usage.now
        let tasks = (0..<slots).map { number in
            Task { try? await fetcher.fetch(Flood.thousandAddresses.request(number)) }
        }
        try await Task.sleep(for: .seconds(3))
        let (settled, inFlight) = (Usage.now, load.withLock(\.inFlight))
        try await Task.sleep(for: .seconds(5))
        let idle = Usage.now
        print(
            "\(hosts.mode): \(inFlight) in flight, \((settled.kilobytes - before.kilobytes) / max(1, inFlight)) KB and "
                + "\(settled.cpu - before.cpu) CPU for all to begin, \(idle.cpu - settled.cpu) CPU in 5 s of silence")
        await fetcher.close()
        for task in tasks { _ = await task.value }
    }

    private static func latency(beside flood: Flood, of hosts: Hosts, _ slots: Int) async throws {
        let (fetcher, load) = try hosts.fetcher(slots)
        let before = Usage.now
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
        let after = Usage.now
        print(
            "\(hosts.mode), \(flood): first \(times[0]), longest \(times.max() ?? .zero), failures \(failures) of 20; "
                + "\((after.kilobytes - before.kilobytes) / 1_024) MB, \(after.cpu - before.cpu) CPU in "
                + "\(after.at - before.at)")
        await fetcher.close()
        for task in tasks { _ = await task.value }
    }
}

/// Whose hosts stay silent.
enum Flood: CaseIterable {
    case oneAddress, thousandAddresses, wildcardZone

    func request(_ number: Int) -> PolicyRequest {
        let host = self == .oneAddress ? 0 : number % 1_000
        return Self.request(
            to: [127, UInt8(1 + host / 256), UInt8(host % 256), 1],
            domain: self == .wildcardZone ? "a\(number).evil.example" : "evil\(number).example")
    }

    var good: PolicyRequest { Self.request(to: [127, 0, 0, 1], domain: "good.test") }

    private static func request(to octets: [UInt8], domain: String) -> PolicyRequest {
        PolicyRequest(
            host: "mta-sts.example", url: "https://mta-sts.example/.well-known/mta-sts.txt",
            addresses: [IPAddress(octets: octets)].compactMap(\.self), domain: domain)
    }
}

/// server.py.
struct Hosts {
    let mode: String
    private let process = Process()
    private let end = Pipe()
    private let directory: URL
    private let port: UInt16

    init(_ mode: String) throws {
        self.mode = mode
        directory = FileManager.default.temporaryDirectory.appending(path: "silent-hosts-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "server.py").path
        process.arguments = ["python3", script, mode, directory.path]
        process.standardInput = end
        process.standardOutput = output
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let port = UInt16(line.trimmingCharacters(in: .newlines)) else {
            throw CocoaError(.executableLoad)
        }
        self.port = port
    }

    func fetcher(_ slots: Int) throws -> (CurlFetcher, Load) {
        let load = Load()
        let configuration = CurlFetcherConfiguration(
            trust: .file(directory.appending(path: "root.pem").path), maximumInFlight: slots, port: port)
        return (try CurlFetcher(configuration) { load.add($0) }, load)
    }

    func close() {
        try? end.fileHandleForWriting.close()
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: directory)
    }
}

/// What a fetcher has to do.
final class Load: Sendable {
    private let counts = Mutex((inFlight: 0, waiting: 0))

    func add(_ change: FetchLoadChange) {
        counts.withLock { counts in
            counts.inFlight += change.inFlight
            counts.waiting += change.waiting
        }
    }

    func withLock<Value>(_ body: ((inFlight: Int, waiting: Int)) -> Value) -> Value { body(counts.withLock { $0 }) }
}

/// Memory and CPU time of this process.
struct Usage {
    let at = ContinuousClock.now
    let kilobytes: Int
    let cpu: Duration

    static var now: Usage {
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
        let microseconds = Int64(usage.ru_utime.tv_usec) + Int64(usage.ru_stime.tv_usec)
        return Usage(
            kilobytes: (pages.flatMap { Int($0[1]) } ?? 0) * 4,
            cpu: .seconds(seconds) + .microseconds(microseconds))
    }
}
