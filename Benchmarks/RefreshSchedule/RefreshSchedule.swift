import Discovery
import MTASTS
import PolicyCaching
import TextFormats

/// Simulates the refreshes of many policies over days and prints their distribution. Nothing waits, nothing is sent.
///
///     swift run -c release RefreshScheduleBenchmark [POLICIES]
///
/// All policies are overdue when the simulated daemon starts at 23:30, as after a week without a daemon. Each is looked up
/// once a day. A fetch takes no time and succeeds.
@main
enum RefreshSchedule {
    private static let days = 3

    static func main() throws {
        let count = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 100_000
        // 2026-01-01T23:30:00Z.
        var now = WallTime(milliseconds: 1_767_310_200_000)
        var cache = try start(count, at: now)
        let end = now + .seconds(days * 86_400)
        var hours: [Int] = Array(repeating: 0, count: days * 24)
        var busiestMinute = 0
        var minute = 0
        for interval in 0... {
            guard now < end else { break }
            if interval.isMultiple(of: 12) { minute = 0 }
            for plan in cache.due(at: now).answer.refreshes {
                hours[interval / 720] += 1
                minute += 1
                finish(plan, in: &cache, at: now)
            }
            busiestMinute = max(busiestMinute, minute)
            if interval.isMultiple(of: 17_280 / 2) { lookUpAll(count, in: &cache, at: now) }
            now = now + .seconds(5)
        }
        report(hours, busiestMinute: busiestMinute, of: count)
    }

    private static let text = Array("version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 1209600\n".utf8)

    private static func name(_ number: Int) -> PolicyDomain? { PolicyDomain("d\(number).example") }

    private static func start(_ count: Int, at now: WallTime) throws -> PolicyCache {
        var cache = PolicyCache(isPersistent: true, seed: 1)
        guard let id = RecordID("1") else { return cache }
        let load = cache.beginLoading()
        let fetchedAt = now + .seconds(-7 * 86_400)
        for number in 1...count {
            guard let domain = name(number) else { continue }
            let stored = StoredPolicy(
                domain: domain, text: text, id: id, fetchedAt: fetchedAt, expiresAt: fetchedAt + .seconds(1_209_600),
                lastLookupAt: fetchedAt)
            _ = cache.restore([try LoadedPolicy(stored)], at: now)
        }
        cache.endLoading(load)
        return cache
    }

    private static func finish(_ plan: FlightPlan, in cache: inout PolicyCache, at now: WallTime) {
        guard case .refresh(let id) = plan.step, let policy = try? STSPolicy(text) else { return }
        _ = cache.mayConnect(to: [], in: plan.id)
        _ = cache.policyReceived(.policy(policy), id: id, in: plan.id, at: now)
        _ = cache.finish(plan.id, at: now)
    }

    /// Looks each domain up; DNS publishes the id of the cached policy.
    private static func lookUpAll(_ count: Int, in cache: inout PolicyCache, at now: WallTime) {
        guard let id = RecordID("1") else { return }
        for number in 1...count {
            guard let domain = name(number), case .start(let plan, _) = cache.lookup(domain, at: now).answer else {
                continue
            }
            let report = RecordReport(result: .published(id), timeToLive: 3_600)
            _ = cache.recordReceived(report, in: plan.id, at: now)
            _ = cache.finish(plan.id, at: now)
        }
    }

    private static func report(_ hours: [Int], busiestMinute: Int, of count: Int) {
        print("fetches of \(count) policies in each hour after the start (23:30); busiest minute \(busiestMinute)")
        for day in 0..<days {
            let counts = hours[(day * 24)..<(day * 24 + 24)]
            print("day \(day + 1):", counts.map(String.init).joined(separator: " "), "= \(counts.reduce(0, +))")
        }
    }
}
