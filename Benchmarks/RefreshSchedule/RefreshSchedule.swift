import Discovery
import MTASTS
import PolicyService

/// Fetches many policies again over simulated days and prints how the fetches lie: nothing waits, nothing is sent.
///
///     swift run -c release RefreshSchedule [POLICIES]
///
/// All are overdue when the simulated daemon starts, as after a week of standing still, at half past eleven at night; all
/// are asked for each day. A fetch takes no time and goes well.
@main
enum RefreshSchedule {
    private static let days = 3

    static func main() throws {
        let count = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 100_000
        // 2026-01-01T23:30:00Z.
        var now = WallTime(milliseconds: 1_767_310_200_000)
        var ledger = try start(count, at: now)
        let end = now + .seconds(days * 86_400)
        var hours: [Int] = Array(repeating: 0, count: days * 24)
        var busiestMinute = 0
        var minute = 0
        for pulse in 0... {
            guard now < end else { break }
            if pulse.isMultiple(of: 12) { minute = 0 }
            for plan in ledger.due(at: now).refreshes {
                hours[pulse / 720] += 1
                minute += 1
                land(plan, in: &ledger, at: now)
            }
            busiestMinute = max(busiestMinute, minute)
            if pulse.isMultiple(of: 17_280 / 2) { ask(count, &ledger, at: now) }
            now = now + .seconds(5)
        }
        report(hours, busiestMinute: busiestMinute, of: count)
    }

    private static let text = Array("version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 1209600\n".utf8)

    private static func name(_ number: Int) -> PolicyDomain? { PolicyDomain("d\(number).example") }

    private static func start(_ count: Int, at now: WallTime) throws -> PolicyLedger {
        var ledger = PolicyLedger(isArchived: true, seed: 1)
        guard let id = RecordID("1") else { return ledger }
        let load = ledger.restoring()
        let fetchedAt = now + .seconds(-7 * 86_400)
        for number in 1...count {
            guard let domain = name(number) else { continue }
            let kept = ArchivedPolicy(
                domain: domain, text: text, id: id, fetchedAt: fetchedAt, expiresAt: fetchedAt + .seconds(1_209_600),
                askedAt: fetchedAt)
            ledger.restore([try KeptPolicy(kept)], at: now)
        }
        ledger.restored(load)
        return ledger
    }

    private static func land(_ plan: FlightPlan, in ledger: inout PolicyLedger, at now: WallTime) {
        guard case .refresh(let id) = plan.step, let policy = try? STSPolicy(text) else { return }
        _ = ledger.mayDial([], in: plan.id)
        _ = ledger.policyLanded(plan.id, id, .policy(FetchedPolicy(policy: policy, text: text)), at: now)
        _ = ledger.settle(plan.id, at: now)
        _ = ledger.takeChanges()
    }

    /// Mail goes to each of them, and DNS publishes the id that is held.
    private static func ask(_ count: Int, _ ledger: inout PolicyLedger, at now: WallTime) {
        guard let id = RecordID("1") else { return }
        for number in 1...count {
            guard let domain = name(number), case .start(let plan, _) = ledger.asked(domain, at: now) else { continue }
            _ = ledger.recordLanded(plan.id, RecordReport(finding: .published(id), timeToLive: 3_600), at: now)
            _ = ledger.settle(plan.id, at: now)
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
