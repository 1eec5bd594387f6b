import Discovery
import MTASTS
import PolicyService
import Synchronization

/// What every archive does, the real one and its twin. It is handed over empty and not yet opened, and is left closed.
package struct ArchiveContract: Sendable {
    private let archive: any PolicyArchive

    package init(_ archive: any PolicyArchive) {
        self.archive = archive
    }

    /// What does not hold, in words.
    package func violations() async throws -> [String] {
        var violations: [String] = []
        if try await archive.open() != .anew { violations.append("the first opening is anew") }
        violations += try await keeping()
        violations += try await sequence()
        violations += try await purging()
        violations += try await expiring()
        violations += try await purgingByTheClock()
        violations += try await orders()
        if try await archive.open() != .unchanged { violations.append("a second opening finds what was there") }
        if try await loaded().isEmpty { violations.append("and keeps it") }
        if try await archive.orders().isEmpty { violations.append("orders too") }
        await archive.close()
        return violations
    }

    /// Policies with every field set and unset, and texts of every kind.
    package static func samples() throws -> [ArchivedPolicy] {
        let record = ArchivedPolicy.Record(
            id: try recordID("r1"), at: WallTime(milliseconds: 1_795_000_000_001), lifetime: .milliseconds(3_599_999))
        let failures = try [PolicyFailure.Category.fetchError, .webPKIInvalid, .policyInvalid].map { category in
            ArchivedPolicy.Failure(
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
            ArchivedPolicy(
                domain: try domain("clock.example"), text: Array(policyText().utf8), id: try recordID("1"),
                fetchedAt: WallTime(milliseconds: later), expiresAt: WallTime(milliseconds: later + 604_800_000),
                askedAt: WallTime(milliseconds: 1), clockBehindSince: WallTime(milliseconds: 1_795_000_000_004),
                previousFetchedAt: WallTime(milliseconds: later), isEndLogged: true))
        samples.append(try sample("xn--strae-oqa.example", id: String(repeating: "Z", count: 32)))
        return samples
    }

    package static func sample(
        _ name: String, text: [UInt8] = Array(policyText().utf8), id: String = "1", expiresAt: Int64 = later,
        record: ArchivedPolicy.Record? = nil, failure: ArchivedPolicy.Failure? = nil
    ) throws -> ArchivedPolicy {
        ArchivedPolicy(
            domain: try domain(name), text: text, id: try recordID(id),
            fetchedAt: WallTime(milliseconds: 1_795_000_000_123), expiresAt: WallTime(milliseconds: expiresAt),
            askedAt: WallTime(milliseconds: 1_794_960_000_000), record: record, failure: failure)
    }

    /// When the samples expire.
    package static let later: Int64 = 1_900_000_000_000

    private func keeping() async throws -> [String] {
        var violations: [String] = []
        let samples = try Self.samples()
        try await archive.commit(samples.map(ArchiveChange.keep))
        for sample in samples where try await archive.row(of: sample.domain) != .policy(sample) {
            violations.append("\(sample.domain) is found as it was kept")
        }
        let everything = try await loaded()
        if everything.count != samples.count || !samples.allSatisfy({ everything.contains(.policy($0)) }) {
            violations.append("everything is loaded as it was kept")
        }
        if try await archive.row(of: try domain("unknown.example")) != nil {
            violations.append("nothing is found of an unknown domain")
        }
        let bare = try Self.sample("both.example", text: [7], id: "2", expiresAt: 5)
        try await archive.commit([.keep(bare)])
        if try await archive.row(of: bare.domain) != .policy(bare) {
            violations.append("what is kept replaces the whole of what was")
        }
        try await archive.commit([.remove(bare.domain)])
        if try await archive.row(of: bare.domain) != nil { violations.append("what is removed is gone") }
        try await archive.commit([.remove(bare.domain)])
        if try await loaded().count != samples.count - 1 { violations.append("and nothing else") }
        try await archive.commit([])
        return violations
    }

    private func sequence() async throws -> [String] {
        var violations: [String] = []
        let first = try Self.sample("order.example", id: "1")
        let second = try Self.sample("order.example", id: "2")
        try await archive.commit([.keep(first), .remove(first.domain), .keep(second)])
        if try await archive.row(of: first.domain) != .policy(second) {
            violations.append("changes of a group are made in their order")
        }
        try await archive.commit([.keep(first), .remove(first.domain)])
        if try await archive.row(of: first.domain) != nil { violations.append("a removal that comes last wins") }
        let many = try (0..<2_500).map { try Self.sample("many\($0).example", id: "\($0)") }
        let before = try await loaded().count
        try await archive.commit(many.map(ArchiveChange.keep))
        if try await loaded().count != before + many.count { violations.append("many are kept in one group") }
        try await archive.commit(many.map { .remove($0.domain) })
        if try await loaded().count != before { violations.append("and removed in one") }
        return violations
    }

    private func purging() async throws -> [String] {
        var violations: [String] = []
        let grace = Duration.seconds(7)
        let over = try Self.sample("purge.example", expiresAt: 10_000)
        func purge(at milliseconds: Int64) async throws -> Bool {
            _ = try await archive.purge(at: WallTime(milliseconds: milliseconds), grace: grace)
            return try await archive.row(of: over.domain) == nil
        }
        func demand(_ holds: Bool, _ what: String) {
            if !holds { violations.append(what) }
        }
        let others = try await loaded().count
        try await archive.commit([.keep(over)])
        demand(!(try await purge(at: 9_999)), "a policy that lives is not purged")
        demand(!(try await purge(at: 900_000)), "the first purge that sees a policy over, however late, spares it")
        demand(!(try await purge(at: 906_999)), "and every one within the grace")
        demand(!(try await purge(at: 5_000)), "a policy that lives again is not purged")
        demand(!(try await purge(at: 907_000)), "its grace begins again")
        demand(!(try await purge(at: 913_999)), "and lasts as long")
        try await archive.commit([.keep(over)])
        demand(!(try await purge(at: 914_000)), "what is kept again has its grace again")
        demand(try await purge(at: 921_000), "what stays over for the grace is purged")
        demand(try await loaded().count == others, "and nothing else")
        try await archive.commit([.keep(over)])
        _ = try await archive.purge(at: WallTime(milliseconds: 10_000), grace: .zero)
        demand(try await archive.row(of: over.domain) == nil, "without grace it goes at the end of its life")
        return violations
    }

    /// Ends that the log does not have are handed over until they are noted.
    private func expiring() async throws -> [String] {
        var violations: [String] = []
        let over = try Self.sample("end.example", expiresAt: 10_000)
        func ends(at milliseconds: Int64) async throws -> [PolicyDomain] {
            try await archive.purge(at: WallTime(milliseconds: milliseconds), grace: .seconds(100)).map(\.domain)
        }
        func demand(_ holds: Bool, _ what: String) {
            if !holds { violations.append(what) }
        }
        try await archive.commit([.keep(over)])
        demand(try await ends(at: 9_999) == [], "a policy that lives has no end")
        demand(try await ends(at: 10_000) == [over.domain], "one that is over is handed over")
        try await archive.commit([.noteEnd(over.domain, fetchedAt: WallTime(milliseconds: 1))])
        demand(try await ends(at: 10_001) == [over.domain], "the end of an earlier policy is not this one's")
        try await archive.commit([.noteEnd(over.domain, fetchedAt: over.fetchedAt)])
        demand(try await ends(at: 10_002) == [], "and not again, once it is noted")
        demand(try await ends(at: 9_000) == [], "the clock came back")
        demand(try await ends(at: 10_003) == [over.domain], "and the life ended again")
        try await archive.commit([.keep(over)])
        let last = try await archive.purge(at: WallTime(milliseconds: 10_000), grace: .zero).map(\.domain)
        demand(last == [over.domain], "one that is deleted at once is handed over too")
        demand(try await archive.row(of: over.domain) == nil, "and deleted")
        let many = try (0...NoArchive.maximumExpired).map { try Self.sample("end\($0).example", expiresAt: 10_000) }
        try await archive.commit(many.map(ArchiveChange.keep))
        let first = try await ends(at: 10_000)
        demand(first.count == NoArchive.maximumExpired, "some at a time")
        try await archive.commit(
            many.filter { first.contains($0.domain) }.map { .noteEnd($0.domain, fetchedAt: $0.fetchedAt) })
        demand(try await ends(at: 10_001).count == 1, "and then the rest")
        try await archive.commit(many.map { .remove($0.domain) })
        return violations
    }

    /// A life of 1,000 whose fetch lies in the future counts from when that was noticed, or from the fetch after it.
    private func purgingByTheClock() async throws -> [String] {
        var violations: [String] = []
        let others = try await loaded().count
        for (fetchedAt, since, previous, end) in [
            (50_000, 10_000, nil, 11_000), (50_000, nil, nil, 51_000), (10_000, nil, 50_000, 11_000),
        ] as [(Int64, Int64?, Int64?, Int64)] {
            let policy = ArchivedPolicy(
                domain: try domain("clock-purge.example"), text: [], id: try recordID("1"),
                fetchedAt: WallTime(milliseconds: fetchedAt), expiresAt: WallTime(milliseconds: 51_000),
                askedAt: WallTime(milliseconds: 1), clockBehindSince: since.map { WallTime(milliseconds: $0) },
                previousFetchedAt: previous.map { WallTime(milliseconds: $0) })
            try await archive.commit([.keep(policy)])
            for (time, isGone) in [(end - 1, false), (end, true)] {
                _ = try await archive.purge(at: WallTime(milliseconds: time), grace: .zero)
                if try await (archive.row(of: policy.domain) == nil) != isGone {
                    violations.append("fetched at \(fetchedAt), noticed at \(since ?? 0), purged at \(time): \(isGone)")
                }
            }
        }
        // The clock is right again within the grace.
        let policy = ArchivedPolicy(
            domain: try domain("clock-purge.example"), text: [], id: try recordID("1"),
            fetchedAt: WallTime(milliseconds: 50_000), expiresAt: WallTime(milliseconds: 51_000),
            askedAt: WallTime(milliseconds: 1), clockBehindSince: WallTime(milliseconds: 10_000))
        try await archive.commit([.keep(policy)])
        for time in [11_000, 50_500, 50_999] as [Int64] {
            _ = try await archive.purge(at: WallTime(milliseconds: time), grace: .seconds(100))
        }
        if try await archive.row(of: policy.domain) == nil {
            violations.append("a clock that is right again loses nothing")
        }
        try await archive.commit([.remove(policy.domain)])
        if try await loaded().count != others { violations.append("and nothing else goes") }
        return violations
    }

    /// One of each kind, with an end and without.
    package static func orders() throws -> [DomainOverride] {
        let since = WallTime(milliseconds: 1_795_000_000_003)
        let until = WallTime(milliseconds: later)
        return try [
            order(.exempt(mayEncrypt: false), "exempt.example", since: since, reason: #"'; DROP TABLE override --ä😀"#),
            order(.exempt(mayEncrypt: true), "may.example", since: since, until: until, author: "uid 1000"),
            order(.pin([]), "pin.example", since: since, until: until),
            order(.pin([pattern("mx.example.net"), pattern("*.example.org")]), "names.example", since: since),
        ]
    }

    private func orders() async throws -> [String] {
        var violations: [String] = []
        func demand(_ holds: Bool, _ what: String) {
            if !holds { violations.append(what) }
        }
        demand(try await archive.orders().isEmpty, "nothing is ordered at first")
        let orders = try Self.orders()
        let others = try await loaded().count
        try await archive.commit([.keep(try Self.sample("pin.example"))] + orders.map(ArchiveChange.order))
        demand(try await overrides() == orders.sorted(), "orders are found as they were kept")
        demand(try await loaded().count == others + 1, "a domain's policy and its order are two things")
        let other = try order(.pin([]), "may.example", since: orders[0].since)
        try await archive.commit([.order(other), .lift(orders[0].domain), .remove(orders[2].domain)])
        demand(
            try await overrides() == [other, orders[2], orders[3]].sorted(),
            "an order replaces the whole of the earlier one, and one that is lifted is gone")
        let on = ObserveOrder(isOn: true, author: "root", since: orders[0].since)
        try await archive.commit([.observe(on)])
        demand(try await archive.orders().contains(.observe(on)), "observe mode is found as it was ordered")
        let off = ObserveOrder(isOn: false, author: "uid 7", since: WallTime(milliseconds: Self.later))
        try await archive.commit([.observe(on), .observe(off)])
        demand(try await archive.orders().count == 4, "and is ordered once")
        demand(try await archive.orders().contains(.observe(off)), "by the last one")
        _ = try await archive.purge(at: WallTime(milliseconds: Self.later + 1), grace: .zero)
        demand(try await overrides().count == 3, "no purge takes an order")
        try await archive.commit(try Self.samples().map(ArchiveChange.keep))
        return violations
    }

    private func overrides() async throws -> [DomainOverride] {
        try await archive.orders().compactMap { order in
            guard case .override(let override) = order else { return nil }
            return override
        }.sorted()
    }

    private func loaded() async throws -> [ArchivedRow] {
        let rows = Mutex<[ArchivedRow]>([])
        try await archive.load { chunk in rows.withLock { $0 += chunk } }
        return rows.withLock { $0 }
    }
}

extension [DomainOverride] {
    fileprivate func sorted() -> [DomainOverride] { sorted { $0.domain.name < $1.domain.name } }
}
