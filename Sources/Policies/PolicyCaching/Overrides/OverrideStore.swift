import MTASTS
import TextFormats

/// The overrides of domains, at most one for each domain, and observe mode.
///
/// A pure value; the time is a parameter. An override applies until its end. Its end is reported once before and once when it
/// is reached (see `due`). After that the override is kept for `retention` and applies again if the clock was ahead and is set
/// back: without a pin mail may be sent in clear. A removed override is not restored from a store that still has it.
/// Of several changes of a domain, by this process or another one, the latest counts.
/// Concurrency: none of its own; `PolicyService` guards it with a mutex.
/// Limits: `capacity` overrides.
package struct OverrideStore: Sendable {
    /// What happens to an override with time.
    package enum Event: Equatable, Sendable {
        case endsSoon(Override)
        case ended(Override)
        /// The retention of an ended override is over.
        case dropped(Override)
    }

    /// The result of `remove`.
    package enum Removal: Equatable, Sendable {
        case removed(Override)
        /// The domain has an override of another category, which stays.
        case otherCategory(Override)
        case notFound

        package var removed: Override? {
            if case .removed(let override) = self { override } else { nil }
        }
    }

    private enum Stage: Int, Comparable {
        case early, endsSoon, ended, dropped

        static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
    }

    private struct Entry: Sendable {
        let override: Override
        var reported = Stage.early

        /// When it reaches a stage; `nil`: never.
        private func time(of stage: Stage) -> WallTime? {
            switch stage {
            case .early: nil
            case .endsSoon: override.warningTime
            case .ended: override.until
            case .dropped: override.until.map { $0 + OverrideStore.retention }
            }
        }

        func stage(at now: WallTime) -> Stage {
            [.dropped, .ended, .endsSoon].first { time(of: $0).map { $0 <= now } ?? false } ?? .early
        }

        /// When the next event is due; `nil`: never.
        var nextEvent: WallTime? { Stage(rawValue: reported.rawValue + 1).flatMap(time) }
    }

    /// As long as expired policies are kept.
    static let retention = Duration.seconds(7 * 86_400)
    /// If the clock was set back by more than this, ends are reported again. NTP makes smaller steps all the time.
    private static let setBack = Duration.seconds(60)

    private var entries: [PolicyDomain: Entry] = [:]
    /// Domains without an override: when it was removed. For a dropped override, when that was set.
    private var removed: [PolicyDomain: WallTime] = [:]
    /// No event is due before; `nil`: never.
    private var nextEvent: WallTime?
    /// The last call of `due`.
    private var lastCheck: WallTime?
    /// How often the overrides or observe mode changed. If it is higher than before a read of the store, the rows may be out
    /// of date.
    package private(set) var changeCount = 0
    package private(set) var observe: ObserveModeChange?
    private let capacity: Int

    /// - Parameter capacity: the default, 10,000, takes some megabytes.
    package init(capacity: Int = 10_000) {
        self.capacity = capacity
    }

    /// Overrides, including those that have ended and are kept.
    package var count: Int { entries.count }

    /// The overrides that apply, by domain.
    package func overrides(at now: WallTime) -> [Override] {
        entries.values.map(\.override).filter { $0.applies(at: now) }.sorted { $0.domain.name < $1.domain.name }
    }

    /// The override that applies to a domain. Called for each lookup.
    package func override(of domain: PolicyDomain, at now: WallTime) -> Override? {
        guard !entries.isEmpty, let override = entries[domain]?.override, override.applies(at: now) else { return nil }
        return override
    }

    // MARK: Changes

    /// Sets an override, in place of an earlier one of the domain.
    ///
    /// - Returns: an override that has ended and was dropped, because there was no space.
    @discardableResult
    package mutating func set(_ override: Override, at now: WallTime) throws(OverrideError) -> Override? {
        guard override.applies(at: now) else { throw .hasEnded }
        var ended: Override?
        if entries.count >= capacity, entries[override.domain] == nil {
            ended = entries.values.first { !$0.override.applies(at: now) }?.override
            guard let ended else { throw .tooMany(limit: capacity) }
            drop(ended.domain, at: ended.since)
        }
        changeCount += 1
        add(override)
        removed[override.domain] = nil
        return ended
    }

    /// Removes the override of a domain.
    ///
    /// - Parameter category: removes only an override of this category; `nil`: of any. An exemption that was replaced by a pin
    ///   meanwhile is then not removed.
    package mutating func remove(
        _ domain: PolicyDomain, category: Override.Category? = nil, at now: WallTime
    ) -> Removal {
        let known = entries[domain]?.override
        if let known, let category, known.kind.category != category { return .otherCategory(known) }
        drop(domain, at: now)
        return known.map { .removed($0) } ?? .notFound
    }

    /// - Parameter time: an override in the store that was set later is restored.
    private mutating func drop(_ domain: PolicyDomain, at time: WallTime) {
        // Only a store that fails for long, or another file, still has overrides that were removed long ago.
        if removed.count >= capacity, let any = removed.keys.first { removed[any] = nil }
        changeCount += 1
        removed[domain] = time
        entries[domain] = nil
    }

    package mutating func setObserveMode(_ change: ObserveModeChange) {
        changeCount += 1
        observe = change
    }

    /// - Parameter before: the entry that it replaces. If the override is the same, its events are not reported again.
    private mutating func add(_ override: Override, replacing before: Entry? = nil) {
        let entry = before.flatMap { $0.override == override ? $0 : nil } ?? Entry(override: override)
        entries[override.domain] = entry
        nextEvent = [nextEvent, entry.nextEvent].compactMap(\.self).min()
    }

    // MARK: The store

    /// Adds the overrides of the store, except where memory has a later change.
    ///
    /// - Parameter replacingAll: removes everything else. For a process all of whose changes are in the store.
    /// - Returns: the overrides for which there is no space.
    package mutating func restore(
        _ stored: [StoredOverride], replacingAll: Bool = false, at now: WallTime
    ) -> [Override] {
        let before = entries
        changeCount += 1
        if replacingAll { (entries, removed, observe) = ([:], [:], nil) }
        var rejected: [Override] = []
        for row in stored {
            switch row {
            case .override(let override):
                let (domain, isKnown) = (override.domain, entries[override.domain] != nil)
                guard Self.isLater(override.since, than: entries[domain]?.override.since ?? removed[domain], at: now)
                else { continue }
                if isKnown || entries.count < capacity {
                    add(override, replacing: before[domain])
                    removed[domain] = nil
                } else {
                    rejected.append(override)
                }
            case .observe(let change): if Self.isLater(change.since, than: observe?.since, at: now) { observe = change }
            case .unreadable: break
            }
        }
        return rejected
    }

    /// Whether a change in the store is later than the last one in memory. `other` is `nil` if there is none. A time in the
    /// future, by a clock that was ahead, is not later: the operator may have changed it since.
    private static func isLater(_ time: WallTime, than other: WallTime?, at now: WallTime) -> Bool {
        other.map { $0 < time && time <= now } ?? true
    }

    /// The changes that bring a new or replaced store up to date.
    package var storeChanges: [StoreChange] {
        entries.values.map { .setOverride($0.override) } + removed.map { .removeOverride($0.key, at: $0.value) }
            + (observe.map { [.observe($0)] } ?? [])
    }

    // MARK: Ends

    /// The events that are due. Called every few seconds.
    package mutating func due(at now: WallTime) -> [Event] {
        defer { lastCheck = now }
        if let lastCheck, now + Self.setBack < lastCheck { resetReports(at: now) }
        guard let nextEvent, nextEvent <= now else { return [] }
        var events: [Event] = []
        for (domain, entry) in entries {
            let stage = entry.stage(at: now)
            guard stage > entry.reported else { continue }
            entries[domain]?.reported = stage
            switch stage {
            case .early: break
            case .endsSoon: events.append(.endsSoon(entry.override))
            case .ended: events.append(.ended(entry.override))
            case .dropped:
                drop(domain, at: entry.override.since)
                if entry.reported < .ended { events.append(.ended(entry.override)) }
                events.append(.dropped(entry.override))
            }
        }
        self.nextEvent = entries.values.compactMap(\.nextEvent).min()
        return events
    }

    /// The clock was set back: stages in the future are reported again.
    private mutating func resetReports(at now: WallTime) {
        for (domain, entry) in entries { entries[domain]?.reported = min(entry.reported, entry.stage(at: now)) }
        nextEvent = entries.values.compactMap(\.nextEvent).min()
    }
}

extension Override {
    /// A day before the end, or at half of a duration of less than two days.
    fileprivate var warningTime: WallTime? {
        until.map { $0 + (.zero - min(.seconds(86_400), ($0 - since) / 2)) }
    }
}

extension OverrideEffect {
    /// The effect of an override in the decision table.
    package init(_ override: Override?) {
        switch override?.kind {
        case .exempt(let mayEncrypt): self = .exempt(mayEncrypt: mayEncrypt)
        case .pin(let names): self = .pin(names)
        case nil: self = .none
        }
    }

    /// Whether the decision does not depend on what is known of the domain.
    package var isImmediate: Bool {
        switch self {
        case .none: false
        case .observe, .exempt: true
        case .pin(let names): !names.isEmpty
        }
    }
}
