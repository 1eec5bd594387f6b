import Discovery
import Foundation
import TestSupport

/// Runs a resolver against faulty DNS servers at full length and prints figures: the time of good names beside silent names,
/// with packet loss and behind a dead server, and the process's open descriptors, memory and CPU time.
///
///     swift run -c release DNSStormBenchmark [plain|validating] [SECONDS] [slow] [storms] [loss] [failover]
///
/// SECONDS is the length of each storm (60); without a section all run. The time-out is 5 s, the default of `dns.timeout`.
/// The servers are processes of their own on this host (`DNSStormBenchmark serve PORT LOSS`), so that the figures are those
/// of the resolver and the load generator. Times include the server's, which is less than 1 ms.
@main
enum DNSStorm {
    static let timeout: Duration = .seconds(5)

    static func main() async throws {
        var arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.first == "serve" { return try ServerProcess.serve(Array(arguments.dropFirst())) }
        let chosen = ResolverUnderTest.all.filter { arguments.contains($0.name) }
        let seconds = arguments.compactMap { Int($0) }.first ?? 60
        arguments.removeAll { Int($0) != nil || ResolverUnderTest.all.map(\.name).contains($0) }
        let sections = arguments.isEmpty ? ["slow", "storms", "loss", "failover"] : arguments
        for resolver in chosen.isEmpty ? ResolverUnderTest.all : chosen {
            write("\n\(resolver.name) resolver")
            for section in sections {
                switch section {
                case "slow": try await slow(resolver)
                case "storms": try await storms(resolver, seconds: seconds)
                case "loss": try await loss(resolver)
                case "failover": try await failover(resolver)
                default: throw UsageError(argument: section)
                }
            }
        }
    }

    struct UsageError: Error, CustomStringConvertible {
        let argument: String

        var description: String {
            "unknown argument \(argument); usage: DNSStorm [plain|validating] [SECONDS] [slow] [storms] [loss] [failover]"
        }
    }

    /// Findings' first rows: answers after 0.5 to 4 s, then a good name.
    private static func slow(_ resolver: ResolverUnderTest) async throws {
        let server = try ServerProcess()
        let client = try resolver.make([server.address], timeout)
        defer { client.close() }
        write("answers after 0.5, 1, 2 and 4 s, at the same time, then a good name:")
        for result in await client.ask(all: [500, 1_000, 2_000, 4_000].map { "a.after\($0).test" }) {
            write("  \(result.summary)")
        }
        write("  \(await client.ask("good.fine.test").summary)")
    }

    private static func storms(_ resolver: ResolverUnderTest, seconds: Int) async throws {
        write("storms of \(seconds) s; times in ms, memory in MB, CPU in ms per question")
        write("silent/s good/s | good failed    p50    p99    max | silent early | descriptors memory    CPU")
        for silent in [0, 1, 5, 100, 1_000] {
            for good in [1, 20] {
                let server = try ServerProcess()
                let client = try resolver.make([server.address], timeout)
                let storm = SilentNameStorm(
                    silentPerSecond: silent, goodPerSecond: good, duration: .seconds(seconds))
                let usage = ResourceUsage()
                let sampler = Task { await usage.sample() }
                let tallies = await storm.run(on: client, timeout: timeout)
                sampler.cancel()
                await sampler.value
                client.close()
                write(row(storm, tallies: tallies, usage: usage))
            }
        }
    }

    private static func row(
        _ storm: SilentNameStorm, tallies: (silent: AskTally, good: AskTally), usage: ResourceUsage
    ) -> String {
        let (silent, good) = tallies
        let questions = Double(silent.asked + good.asked)
        return [
            column(storm.silentPerSecond, width: 8), column(storm.goodPerSecond, width: 6), "|",
            column(good.asked, width: 4), column(good.failed, width: 6), milliseconds(good.percentile(0.5)),
            milliseconds(good.percentile(0.99)), milliseconds(good.percentile(1)), "|",
            column(silent.asked, width: 6), column(silent.early, width: 5), "|",
            column(usage.maximumDescriptors, width: 11),
            String(format: "%6.1f", Double(usage.maximumMemory) / 1_048_576),
            String(format: "%6.3f", usage.processorTime / .milliseconds(1) / questions),
        ].joined(separator: " ")
    }

    private static func loss(_ resolver: ResolverUnderTest) async throws {
        write("1,000 questions within 2 s, with datagrams lost in each direction; times in ms")
        write("loss | failed    p50    p99    max")
        for share in [0, 0.05, 0.3] {
            let server = try ServerProcess(loss: share)
            let client = try resolver.make([server.address], timeout)
            defer { client.close() }
            let tally = await AskTally(client, zone: "fine.test", perSecond: 500, for: .seconds(2), timeout: timeout)
            write(
                String(format: "%3.0f%% |", share * 100), column(tally.failed, width: 6),
                milliseconds(tally.percentile(0.5)),
                milliseconds(tally.percentile(0.99)), milliseconds(tally.percentile(1)))
        }
    }

    /// The first server dies by SIGKILL or stays silent; then it returns.
    private static func failover(_ resolver: ResolverUnderTest) async throws {
        for isSilent in [false, true] {
            let gone = try ServerProcess()
            let second = try ServerProcess()
            let client = try resolver.make([gone.address, second.address], timeout)
            defer { client.close() }
            for number in 0..<20 { _ = await client.ask("warm\(number).fine.test") }
            let how = isSilent ? "silent" : "gone (port closed)"
            gone.end()
            let silent = isSilent ? try FaultyDNSServer(port: gone.port) { _ in .noAnswer } : nil
            write("first server \(how): \(await client.ask("first.fine.test").summary)")
            let next = await AskTally(client, zone: "next.test", perSecond: 20, for: .seconds(10), timeout: timeout)
            write(
                "  the next \(next.asked) questions: \(next.failed) failed, p50 \(milliseconds(next.percentile(0.5)))",
                "p99 \(milliseconds(next.percentile(0.99))) max \(milliseconds(next.percentile(1))) ms")
            silent?.stop()
            let returned = try FaultyDNSServer(port: gone.port, behavior: DNSBehavior.byName)
            let started = ContinuousClock.now
            let after = await AskTally(client, zone: "after.test", perSecond: 20, for: .seconds(35), timeout: timeout)
            let first = returned.queries.first { $0.name.hasSuffix("after.test") }
            let back = first.map { "used again \(($0.time - started).seconds) s after its return" }
            write(
                "  \(back ?? "not used within 35 s after its return"); \(after.failed) of \(after.asked) questions failed,",
                "p99 \(milliseconds(after.percentile(0.99))) ms")
            returned.stop()
        }
    }

    /// Prints a line and flushes it.
    private static func write(_ parts: String...) {
        print(parts.joined(separator: " "))
        fflush(nil)
    }

    private static func column(_ number: Int, width: Int) -> String {
        let text = String(number)
        return String(repeating: " ", count: max(0, width - text.count)) + text
    }

    private static func milliseconds(_ duration: Duration) -> String {
        String(format: "%6.1f", duration / .milliseconds(1))
    }
}
