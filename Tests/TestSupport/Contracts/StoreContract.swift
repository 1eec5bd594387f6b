import Discovery
import MTASTS
import PolicyCaching
import PolicyRuntime
import Synchronization
import TextFormats

/// The rules for every store, the real one and its fake. The test passes an empty store that is not open yet. The
/// contract closes it.
package struct StoreContract: Sendable {
    private let store: any PolicyStore

    package init(_ store: any PolicyStore) {
        self.store = store
    }

    /// The broken rules, in words.
    package func violations() async throws -> [String] {
        var violations: [String] = []
        if try await store.open() != .anew { violations.append("the first opening is anew") }
        violations += try await keeping()
        violations += try await sequence()
        violations += try await purging()
        violations += try await expiring()
        violations += try await purgingByTheClock()
        violations += try await overridingLate()
        violations += try await overriding()
        if try await store.open() != .unchanged { violations.append("a second opening finds what was there") }
        if try await loaded().isEmpty { violations.append("and keeps it") }
        if try await store.overrides().isEmpty { violations.append("overrides too") }
        await store.close()
        return violations
    }

    /// Policies with every field set and unset, and texts of every kind.
    package static func samples() throws -> [StoredPolicy] {
        let record = StoredPolicy.Record(
            id: try recordID("r1"), at: WallTime(milliseconds: 1_795_000_000_001), lifetime: .milliseconds(3_599_999))
        let failures = try [PolicyFetchError.Category.fetchError, .webPKIInvalid, .policyInvalid].map { category in
            StoredPolicy.Failure(
                id: try recordID("f1"), at: WallTime(milliseconds: 1_795_000_000_002), count: 3, category: category,
                reason: #"it's "so"; DROP TABLE policy -- \xE4 ä"#)
        }
        let texts: [[UInt8]] = [
            Array(policyText().utf8), [], [0], Array("a\0b".utf8), Array(0...255),
            [UInt8](repeating: 0xFF, count: 65_536),
        ]
        var samples = try texts.enumerated().map { number, text in
            try sample("text\(number).example", text: text)
        }
        samples.append(try sample("record.example", record: record))
        for failure in failures {
            samples.append(try sample("\(failure.category.rawValue).example", failure: failure))
        }
        samples.append(try sample("both.example", record: record, failure: failures[0]))
        samples.append(
            StoredPolicy(
                domain: try domain("clock.example"), text: Array(policyText().utf8), id: try recordID("1"),
                fetchedAt: WallTime(milliseconds: later), expiresAt: WallTime(milliseconds: later + 604_800_000),
                lastLookupAt: WallTime(milliseconds: 1), clockBehindSince: WallTime(milliseconds: 1_795_000_000_004),
                previousFetchedAt: WallTime(milliseconds: later), isExpiryLogged: true))
        samples.append(try sample("xn--strae-oqa.example", id: String(repeating: "Z", count: 32)))
        return samples
    }

    package static func sample(
        _ name: String, text: [UInt8] = Array(policyText().utf8), id: String = "1", expiresAt: Int64 = later,
        record: StoredPolicy.Record? = nil, failure: StoredPolicy.Failure? = nil
    ) throws -> StoredPolicy {
        StoredPolicy(
            domain: try domain(name), text: text, id: try recordID(id),
            fetchedAt: WallTime(milliseconds: 1_795_000_000_123), expiresAt: WallTime(milliseconds: expiresAt),
            lastLookupAt: WallTime(milliseconds: 1_794_960_000_000), record: record, failure: failure)
    }

    /// When the samples expire.
    package static let later: Int64 = 1_900_000_000_000

    private func keeping() async throws -> [String] {
        var violations: [String] = []
        let samples = try Self.samples()
        try await store.commit(samples.map(StoreChange.savePolicy))
        for sample in samples where try await store.row(of: sample.domain) != .policy(sample) {
            violations.append("\(sample.domain) is found as it was saved")
        }
        let everything = try await loaded()
        if everything.count != samples.count || !samples.allSatisfy({ everything.contains(.policy($0)) }) {
            violations.append("everything is loaded as it was saved")
        }
        if try await store.row(of: try domain("unknown.example")) != nil {
            violations.append("nothing is found of an unknown domain")
        }
        let bare = try Self.sample("both.example", text: [7], id: "2", expiresAt: 5)
        try await store.commit([.savePolicy(bare)])
        if try await store.row(of: bare.domain) != .policy(bare) {
            violations.append("a saved policy replaces the whole earlier row")
        }
        try await store.commit([.removePolicy(bare.domain)])
        if try await store.row(of: bare.domain) != nil { violations.append("a removed policy is not found") }
        try await store.commit([.removePolicy(bare.domain)])
        if try await loaded().count != samples.count - 1 { violations.append("and nothing else") }
        try await store.commit([])
        return violations
    }

    private func sequence() async throws -> [String] {
        var violations: [String] = []
        let first = try Self.sample("order.example", id: "1")
        let second = try Self.sample("order.example", id: "2")
        try await store.commit([.savePolicy(first), .removePolicy(first.domain), .savePolicy(second)])
        if try await store.row(of: first.domain) != .policy(second) {
            violations.append("changes of a group are made in their order")
        }
        try await store.commit([.savePolicy(first), .removePolicy(first.domain)])
        if try await store.row(of: first.domain) != nil { violations.append("a removal that comes last wins") }
        let many = try (0..<2_500).map { try Self.sample("many\($0).example", id: "\($0)") }
        let before = try await loaded().count
        try await store.commit(many.map(StoreChange.savePolicy))
        if try await loaded().count != before + many.count { violations.append("many are saved in one group") }
        try await store.commit(many.map { .removePolicy($0.domain) })
        if try await loaded().count != before { violations.append("and removed in one") }
        return violations
    }

    private func purging() async throws -> [String] {
        var violations: [String] = []
        let grace = Duration.seconds(7)
        let over = try Self.sample("purge.example", expiresAt: 10_000)
        func purge(at milliseconds: Int64) async throws -> Bool {
            _ = try await store.purge(at: WallTime(milliseconds: milliseconds), grace: grace)
            return try await store.row(of: over.domain) == nil
        }
        func check(_ holds: Bool, rule: String) {
            if !holds { violations.append(rule) }
        }
        let others = try await loaded().count
        try await store.commit([.savePolicy(over)])
        check(!(try await purge(at: 9_999)), rule: "a valid policy is not purged")
        check(
            !(try await purge(at: 900_000)), rule: "the first purge after the expiry, however late, spares the policy")
        check(!(try await purge(at: 906_999)), rule: "and every purge within the grace period")
        check(!(try await purge(at: 5_000)), rule: "a policy that is valid again is not purged")
        check(!(try await purge(at: 907_000)), rule: "its grace period begins again")
        check(!(try await purge(at: 913_999)), rule: "and lasts as long")
        try await store.commit([.savePolicy(over)])
        check(!(try await purge(at: 914_000)), rule: "a policy that is saved again gets a new grace period")
        check(try await purge(at: 921_000), rule: "a policy that stays expired for the grace period is purged")
        check(try await loaded().count == others, rule: "and nothing else")
        try await store.commit([.savePolicy(over)])
        _ = try await store.purge(at: WallTime(milliseconds: 10_000), grace: .zero)
        check(try await store.row(of: over.domain) == nil, rule: "without a grace period it is purged when it expires")
        return violations
    }

    /// The store reports an expiry until it is noted as logged.
    private func expiring() async throws -> [String] {
        var violations: [String] = []
        let over = try Self.sample("end.example", expiresAt: 10_000)
        func ends(at milliseconds: Int64) async throws -> [PolicyDomain] {
            try await store.purge(at: WallTime(milliseconds: milliseconds), grace: .seconds(100)).map(\.domain)
        }
        func check(_ holds: Bool, rule: String) {
            if !holds { violations.append(rule) }
        }
        try await store.commit([.savePolicy(over)])
        check(try await ends(at: 9_999) == [], rule: "a valid policy is not reported")
        check(try await ends(at: 10_000) == [over.domain], rule: "an expired policy is reported")
        try await store.commit([.noteExpiry(over.domain, fetchedAt: WallTime(milliseconds: 1))])
        check(try await ends(at: 10_001) == [over.domain], rule: "the expiry of an earlier policy does not count")
        try await store.commit([.noteExpiry(over.domain, fetchedAt: over.fetchedAt)])
        check(try await ends(at: 10_002) == [], rule: "and not again, once it is noted")
        check(try await ends(at: 9_000) == [], rule: "the clock came back")
        check(try await ends(at: 10_003) == [over.domain], rule: "and the policy expired again")
        try await store.commit([.savePolicy(over)])
        let last = try await store.purge(at: WallTime(milliseconds: 10_000), grace: .zero).map(\.domain)
        check(last == [over.domain], rule: "a policy that is deleted at once is reported too")
        check(try await store.row(of: over.domain) == nil, rule: "and deleted")
        let many = try (0...NoStore.maximumExpired).map { try Self.sample("end\($0).example", expiresAt: 10_000) }
        try await store.commit(many.map(StoreChange.savePolicy))
        let first = try await ends(at: 10_000)
        check(first.count == NoStore.maximumExpired, rule: "some at a time")
        try await store.commit(
            many.filter { first.contains($0.domain) }.map { .noteExpiry($0.domain, fetchedAt: $0.fetchedAt) })
        check(try await ends(at: 10_001).count == 1, rule: "and then the rest")
        try await store.commit(many.map { .removePolicy($0.domain) })
        return violations
    }

    /// A life of 1,000 whose fetch lies in the future counts from when that was noticed, or from the fetch after it.
    private func purgingByTheClock() async throws -> [String] {
        var violations: [String] = []
        let others = try await loaded().count
        for (fetchedAt, since, previous, end) in [
            (50_000, 10_000, nil, 11_000), (50_000, nil, nil, 51_000), (10_000, nil, 50_000, 11_000),
        ] as [(Int64, Int64?, Int64?, Int64)] {
            let policy = StoredPolicy(
                domain: try domain("clock-purge.example"), text: [], id: try recordID("1"),
                fetchedAt: WallTime(milliseconds: fetchedAt), expiresAt: WallTime(milliseconds: 51_000),
                lastLookupAt: WallTime(milliseconds: 1), clockBehindSince: since.map { WallTime(milliseconds: $0) },
                previousFetchedAt: previous.map { WallTime(milliseconds: $0) })
            try await store.commit([.savePolicy(policy)])
            for (time, isGone) in [(end - 1, false), (end, true)] {
                _ = try await store.purge(at: WallTime(milliseconds: time), grace: .zero)
                if try await (store.row(of: policy.domain) == nil) != isGone {
                    violations.append("fetched at \(fetchedAt), noticed at \(since ?? 0), purged at \(time): \(isGone)")
                }
            }
        }
        // The clock is right again within the grace.
        let policy = StoredPolicy(
            domain: try domain("clock-purge.example"), text: [], id: try recordID("1"),
            fetchedAt: WallTime(milliseconds: 50_000), expiresAt: WallTime(milliseconds: 51_000),
            lastLookupAt: WallTime(milliseconds: 1), clockBehindSince: WallTime(milliseconds: 10_000))
        try await store.commit([.savePolicy(policy)])
        for time in [11_000, 50_500, 50_999] as [Int64] {
            _ = try await store.purge(at: WallTime(milliseconds: time), grace: .seconds(100))
        }
        if try await store.row(of: policy.domain) == nil {
            violations.append("a clock that is right again loses nothing")
        }
        try await store.commit([.removePolicy(policy.domain)])
        if try await loaded().count != others { violations.append("and nothing else is purged") }
        return violations
    }

    /// One of each kind, with an end and without.
    package static func sampleOverrides() throws -> [Override] {
        let since = WallTime(milliseconds: 1_795_000_000_003)
        let until = WallTime(milliseconds: later)
        return try [
            testOverride(
                .exempt(mayEncrypt: false), of: "exempt.example", since: since, reason: #"'; DROP TABLE override --ä😀"#),
            testOverride(.exempt(mayEncrypt: true), of: "may.example", since: since, until: until, author: "uid 1000"),
            testOverride(.pin([]), of: "pin.example", since: since, until: until),
            testOverride(
                .pin([pattern("mx.example.net"), pattern("*.example.org")]), of: "names.example", since: since),
        ]
    }

    private func overriding() async throws -> [String] {
        var violations: [String] = []
        func check(_ holds: Bool, rule: String) {
            if !holds { violations.append(rule) }
        }
        check(try await store.overrides().isEmpty, rule: "there is no override at first")
        let overrides = try Self.sampleOverrides()
        let others = try await loaded().count
        try await store.commit([.savePolicy(try Self.sample("pin.example"))] + overrides.map(StoreChange.setOverride))
        check(try await stored() == overrides.sorted(), rule: "overrides are found as they were saved")
        check(try await loaded().count == others + 1, rule: "a domain's policy and its override are separate")
        let other = try testOverride(.pin([]), of: "may.example", since: overrides[0].since)
        try await store.commit([
            .setOverride(other), .removeOverride(overrides[0].domain, at: overrides[0].since),
            .removePolicy(overrides[2].domain),
        ])
        check(
            try await stored() == [other, overrides[2], overrides[3]].sorted(),
            rule: "an override replaces the whole earlier one, and a removed one is not found")
        for (time, rule) in [
            (2_000, "observe mode is stored"), (1_000, "an earlier change of it does not count"),
        ] as [(Int64, String)] {
            let since = WallTime(milliseconds: time)
            let change = ObserveModeChange(isOn: time == 1_000, author: "root", since: since)
            try await store.commit([.observe(change)])
            let isOn = try await store.overrides().compactMap { row in
                if case .observe(let change) = row { change.isOn } else { nil }
            }
            check(isOn == [false], rule: rule)
        }
        let on = ObserveModeChange(isOn: true, author: "root", since: overrides[0].since)
        try await store.commit([.observe(on)])
        check(try await store.overrides().contains(.observe(on)), rule: "observe mode is found as it was set")
        let off = ObserveModeChange(isOn: false, author: "uid 7", since: WallTime(milliseconds: Self.later))
        try await store.commit([.observe(on), .observe(off)])
        check(try await store.overrides().count == 4, rule: "and is stored once")
        check(try await store.overrides().contains(.observe(off)), rule: "by the last one")
        _ = try await store.purge(at: WallTime(milliseconds: Self.later + 1), grace: .zero)
        check(try await stored().count == 3, rule: "no purge removes an override")
        try await store.commit(try Self.samples().map(StoreChange.savePolicy))
        return violations
    }

    /// A change that another process made meanwhile is not undone.
    private func overridingLate() async throws -> [String] {
        var violations: [String] = []
        let name = try domain("late.example")
        func override(_ since: Int64, until: Int64? = nil) throws -> Override {
            try testOverride(
                .pin([]), of: name.name.text, since: WallTime(milliseconds: since),
                until: until.map { WallTime(milliseconds: $0) })
        }
        func check(_ change: StoreChange, leaves override: Override?, rule: String) async throws {
            try await store.commit([change])
            if try await stored() != [override].compactMap(\.self) { violations.append(rule) }
        }
        let (early, late) = (try override(1_000), try override(2_000))
        try await store.commit([.setOverride(late)])
        try await check(.setOverride(early), leaves: late, rule: "an earlier override does not replace a later one")
        let earlyRemoval = StoreChange.removeOverride(name, at: WallTime(milliseconds: 1_999))
        try await check(earlyRemoval, leaves: late, rule: "an earlier removal does not remove a later override")
        let removal = StoreChange.removeOverride(name, at: WallTime(milliseconds: 2_001))
        try await check(removal, leaves: nil, rule: "a later removal removes it")
        try await check(.setOverride(late), leaves: nil, rule: "it is not written again")
        let ending = try override(3_000, until: 4_000)
        try await check(.setOverride(ending), leaves: ending, rule: "an override after the removal is written")
        for other in [try override(3_000), try override(2_999, until: 4_000), try override(3_000, until: 4_001)] {
            try await check(.dropOverride(other), leaves: ending, rule: "another override is not dropped")
        }
        try await check(.dropOverride(ending), leaves: nil, rule: "an override that has ended is dropped")
        return violations
    }

    private func stored() async throws -> [Override] {
        try await store.overrides().compactMap { row in
            guard case .override(let override) = row else { return nil }
            return override
        }.sorted()
    }

    private func loaded() async throws -> [StoredRow] {
        let rows = Mutex<[StoredRow]>([])
        try await store.load { chunk in rows.withLock { $0 += chunk } }
        return rows.withLock { $0 }
    }
}

extension [Override] {
    fileprivate func sorted() -> [Override] { sorted { $0.domain.name < $1.domain.name } }
}
