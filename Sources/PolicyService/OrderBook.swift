import MTASTS

/// What the operator has ordered: at most one order a domain, and observe mode.
///
/// A pure value; time comes in as a parameter. An order is applied until its end, which is told once before (see `due`)
/// and once when it has come. It is kept for `afterlife` more, and applied again should the clock have been ahead and
/// come back: a pin that is lost lets mail go in clear. What was removed here is not taken in again from an archive that
/// still has it.
/// Bounded: by domains.
/// Concurrency: none of its own; `PolicyService` keeps it behind a mutex.
package struct OrderBook: Sendable {
    /// What becomes of an order.
    package enum News: Equatable, Sendable {
        case endsSoon(DomainOverride)
        case ended(DomainOverride)
        /// It ended long ago, and is kept no more.
        case dropped(DomainOverride)
    }

    /// How far an order has come.
    private enum Stage: Int, Comparable {
        case early, endsSoon, ended, dropped

        static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
    }

    private struct Entry: Sendable {
        let override: DomainOverride
        /// What was told of it.
        var told = Stage.early

        /// When it comes to each stage; `nil`: never.
        private func time(of stage: Stage) -> WallTime? {
            switch stage {
            case .early: nil
            case .endsSoon: override.warningTime
            case .ended: override.until
            case .dropped: override.until.map { $0 + OrderBook.afterlife }
            }
        }

        func stage(at now: WallTime) -> Stage {
            [.dropped, .ended, .endsSoon].first { time(of: $0).map { $0 <= now } ?? false } ?? .early
        }

        /// When there is something to tell next.
        var nextNews: WallTime? { Stage(rawValue: told.rawValue + 1).flatMap(time) }
    }

    /// As long as expired policies are kept.
    static let afterlife = Duration.seconds(7 * 86_400)
    /// A clock that is set back by more than this makes ends come again; less is what NTP does all the time.
    private static let setBack = Duration.seconds(60)

    private var entries: [PolicyDomain: Entry] = [:]
    /// Domains whose order was removed, or dropped.
    private var removed: Set<PolicyDomain> = []
    /// There is nothing to tell before; `nil`: never.
    private var nextNews: WallTime?
    /// When `due` was last asked.
    private var lookedAt: WallTime?
    package private(set) var observe: ObserveOrder?
    private let capacity: Int

    /// - Parameter capacity: orders. 10,000 are more than an operator can answer for, and some megabytes.
    package init(capacity: Int = 10_000) {
        self.capacity = capacity
    }

    /// Those that have ended and are still kept among them.
    package var count: Int { entries.count }

    /// By domain.
    package func overrides(at now: WallTime) -> [DomainOverride] {
        entries.values.map(\.override).filter { $0.applies(at: now) }.sorted { $0.domain.name < $1.domain.name }
    }

    /// The order that is in force for a domain. Each lookup asks.
    package func override(of domain: PolicyDomain, at now: WallTime) -> DomainOverride? {
        guard !entries.isEmpty, let override = entries[domain]?.override, override.applies(at: now) else { return nil }
        return override
    }

    // MARK: Orders

    /// Takes an order, in place of an earlier one of the domain.
    package mutating func order(_ override: DomainOverride, at now: WallTime) throws(OrderRefusal) {
        guard override.applies(at: now) else { throw .hasEnded }
        if entries.count >= capacity, entries[override.domain] == nil, !makeRoom(at: now) {
            throw .tooMany(limit: capacity)
        }
        add(override)
        removed.remove(override.domain)
    }

    private mutating func makeRoom(at now: WallTime) -> Bool {
        guard let ended = entries.first(where: { !$0.value.override.applies(at: now) }) else { return false }
        return remove(ended.key) != nil
    }

    package mutating func remove(_ domain: PolicyDomain) -> DomainOverride? {
        // Only an archive that fails for long, or is another one, still has what was removed long ago.
        if removed.count >= capacity, let any = removed.first { removed.remove(any) }
        removed.insert(domain)
        return entries.removeValue(forKey: domain)?.override
    }

    package mutating func order(_ observe: ObserveOrder) {
        self.observe = observe
    }

    /// - Parameter before: what was known of it, which was told perhaps.
    private mutating func add(_ override: DomainOverride, _ before: Entry? = nil) {
        let entry = before.flatMap { $0.override == override ? $0 : nil } ?? Entry(override: override)
        entries[override.domain] = entry
        nextNews = [nextNews, entry.nextNews].compactMap(\.self).min()
    }

    // MARK: What outlives the process

    /// Takes in what an archive kept, as far as nothing newer was ordered here.
    ///
    /// - Parameter inPlaceOfAll: what is not in it is no more. For one who has given no order of his own yet.
    /// - Returns: the orders for which there was no room.
    package mutating func restore(_ kept: [ArchivedOrder], inPlaceOfAll: Bool = false) -> [DomainOverride] {
        let before = entries
        if inPlaceOfAll { (entries, observe) = ([:], nil) }
        var leftOut: [DomainOverride] = []
        for order in kept {
            switch order {
            case .override(let override):
                guard entries[override.domain] == nil, !removed.contains(override.domain) else { continue }
                if entries.count < capacity { add(override, before[override.domain]) } else { leftOut.append(override) }
            case .observe(let order): observe = observe ?? order
            case .unreadable: break
            }
        }
        return leftOut
    }

    /// What an archive that has lost it, or is another one, is told.
    package var everything: [ArchiveChange] {
        entries.values.map { .order($0.override) } + removed.map { .lift($0) } + (observe.map { [.observe($0)] } ?? [])
    }

    // MARK: The ends

    /// What has to be told by now. To be asked every few seconds.
    package mutating func due(at now: WallTime) -> [News] {
        defer { lookedAt = now }
        if let lookedAt, now + Self.setBack < lookedAt { tellAgain(at: now) }
        guard let nextNews, nextNews <= now else { return [] }
        var news: [News] = []
        for (domain, entry) in entries {
            let stage = entry.stage(at: now)
            guard stage > entry.told else { continue }
            entries[domain]?.told = stage
            switch stage {
            case .early: break
            case .endsSoon: news.append(.endsSoon(entry.override))
            case .ended: news.append(.ended(entry.override))
            case .dropped:
                _ = remove(domain)
                if entry.told < .ended { news.append(.ended(entry.override)) }
                news.append(.dropped(entry.override))
            }
        }
        self.nextNews = entries.values.compactMap(\.nextNews).min()
        return news
    }

    /// The clock was set back: what lies ahead again is told again.
    private mutating func tellAgain(at now: WallTime) {
        for (domain, entry) in entries { entries[domain]?.told = min(entry.told, entry.stage(at: now)) }
        nextNews = entries.values.compactMap(\.nextNews).min()
    }
}

extension DomainOverride {
    /// A day before the end, or when half of a span shorter than two days has passed.
    fileprivate var warningTime: WallTime? {
        until.map { $0 + (.zero - min(.seconds(86_400), ($0 - since) / 2)) }
    }
}

extension Override {
    /// What an order comes to in the decision table.
    init(_ order: DomainOverride?) {
        switch order?.kind {
        case .exempt(let mayEncrypt): self = .exempt(mayEncrypt: mayEncrypt)
        case .pin(let names): self = .pin(names)
        case nil: self = .none
        }
    }

    /// Whether it decides whatever is known of the domain.
    var isImmediate: Bool {
        switch self {
        case .none: false
        case .observe, .exempt: true
        case .pin(let names): !names.isEmpty
        }
    }
}
