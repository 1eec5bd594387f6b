import MTASTS
import TextFormats

/// The overrides of domains, at most one for each domain, and observe mode.
///
/// A pure value; the time is a parameter. An override applies until its end. Its end is reported once before and once when it
/// is reached (see `due`). After that the override is kept for `retention` and applies again if the clock was ahead and is set
/// back: without a pin mail may be sent in clear. A removed override is not restored from a store that still has it.
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
    /// Domains whose override was removed or dropped.
    private var removed: Set<PolicyDomain> = []
    /// No event is due before; `nil`: never.
    private var nextEvent: WallTime?
    /// The last call of `due`.
    private var lastCheck: WallTime?
    /// How often an override or observe mode was changed by this process.
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
    package mutating func set(_ override: Override, at now: WallTime) throws(OverrideError) {
        guard override.applies(at: now) else { throw .hasEnded }
        if entries.count >= capacity, entries[override.domain] == nil, !makeSpace(at: now) {
            throw .tooMany(limit: capacity)
        }
        changeCount += 1
        add(override)
        removed.remove(override.domain)
    }

    /// Removes an override that has ended, if there is one.
    private mutating func makeSpace(at now: WallTime) -> Bool {
        guard let ended = entries.first(where: { !$0.value.override.applies(at: now) }) else { return false }
        drop(ended.key)
        return true
    }

    /// Removes the override of a domain.
    ///
    /// - Parameter category: removes only an override of this category; `nil`: of any. An exemption that was replaced by a pin
    ///   meanwhile is then not removed.
    package mutating func remove(_ domain: PolicyDomain, category: Override.Category? = nil) -> Removal {
        let known = entries[domain]?.override
        if let known, let category, known.kind.category != category { return .otherCategory(known) }
        drop(domain)
        return known.map { .removed($0) } ?? .notFound
    }

    private mutating func drop(_ domain: PolicyDomain) {
        // Only a store that fails for long, or another file, still has overrides that were removed long ago.
        if removed.count >= capacity, let any = removed.first { removed.remove(any) }
        changeCount += 1
        removed.insert(domain)
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

    /// Adds the overrides of the store, except where this process has changed one.
    ///
    /// - Parameter replacingAll: removes everything else. For a process that has changed nothing itself.
    /// - Returns: the overrides for which there is no space.
    package mutating func restore(_ stored: [StoredOverride], replacingAll: Bool = false) -> [Override] {
        let before = entries
        if replacingAll { (entries, removed, observe) = ([:], [], nil) }
        var rejected: [Override] = []
        for row in stored {
            switch row {
            case .override(let override):
                guard entries[override.domain] == nil, !removed.contains(override.domain) else { continue }
                if entries.count < capacity {
                    add(override, replacing: before[override.domain])
                } else {
                    rejected.append(override)
                }
            case .observe(let change): observe = observe ?? change
            case .unreadable: break
            }
        }
        return rejected
    }

    /// The changes that bring a new or replaced store up to date.
    package var storeChanges: [StoreChange] {
        entries.values.map { .setOverride($0.override) } + removed.map { .removeOverride($0) }
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
                drop(domain)
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
