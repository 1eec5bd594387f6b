import MTASTS
import PolicyCaching
import Synchronization

/// Reads the store into memory: everything at the start, one domain for a lookup.
///
/// Parses the text of each policy again. Logs and ignores a row that is not a valid policy.
/// Concurrency: any task.
/// Errors: `StoreError` for one domain; `load` and `overrides` log errors and try again.
final class StoreReader: Sendable {
    private let store: any PolicyStore
    private let writer: StoreWriter
    private let log: EventLogger
    private let health: StoreHealth
    private let sleep: @Sendable (Duration) async throws -> Void
    private let shared = Mutex(SharedPolicies())
    /// The unreadable rows that were logged, by their domain. Each is logged once, even if loading starts again.
    private let logged = Mutex(LogOnce(limit: 10_000, whenFull: .stop))

    init(
        _ store: any PolicyStore, writer: StoreWriter, log: EventLogger, health: StoreHealth,
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.store = store
        self.writer = writer
        self.log = log
        self.health = health
        self.sleep = sleep
    }

    /// Passes all policies to `receive`, a few hundred at a time. After an error it starts again with all policies.
    ///
    /// - Parameter onTried: called after each try, whether it succeeded or failed.
    /// - Returns: `false` if the task was cancelled before everything was loaded.
    func load(onTried: () -> Void = {}, _ receive: @escaping @Sendable ([LoadedPolicy]) -> Void) async -> Bool {
        defer { onTried() }
        guard !store.storesNothing else { return true }
        var pause = RetryPause()
        while !Task.isCancelled {
            let count = Mutex(0)
            do throws(StoreError) {
                try await store.load { rows in
                    let policies = rows.compactMap { self.parse($0, origin: .start) }
                    count.withLock { $0 += policies.count }
                    receive(policies)
                }
                health.recovered(.reading)
                log.policiesLoaded(count.withLock { $0 })
                return true
            } catch {
                if !Task.isCancelled { health.failed(error, during: .reading) }
            }
            onTried()
            try? await sleep(pause.next())
        }
        return false
    }

    /// Reads the policy of a domain for a discovery. A pending change counts as stored.
    func lookup(_ domain: PolicyDomain) async -> StoreLookup {
        do throws(StoreError) {
            return try await policy(of: domain).map(StoreLookup.policy) ?? .nothing
        } catch {
            return .unreadable
        }
    }

    /// Reads the policy of a domain. A pending change counts as stored.
    func policy(of domain: PolicyDomain) async throws(StoreError) -> LoadedPolicy? {
        switch writer.pending(of: domain) {
        case .savePolicy(let policy): return parse(.policy(policy), origin: .lookup)
        case .removePolicy, .evictPolicy: return nil
        default: break
        }
        do throws(StoreError) {
            let row = try await store.row(of: domain)
            health.readSucceeded()
            return row.flatMap { parse($0, origin: .lookup) }
        } catch {
            health.failed(error, during: nil)
            throw error
        }
    }

    /// Reads the overrides; tries until it succeeds.
    ///
    /// - Parameter onFailed: called after each failed try.
    /// - Returns: `nil` if the task was cancelled.
    func overrides(onFailed: @Sendable () -> Void) async -> [StoredOverride]? {
        var pause = RetryPause()
        while !Task.isCancelled {
            do throws(StoreError) {
                let overrides = try await store.overrides()
                health.recovered(.readingOverrides)
                for case .unreadable(let subject, let reason) in overrides {
                    // No domain contains a blank.
                    if isNew("override \(subject)") { log.unreadableOverride(subject, reason: reason) }
                }
                return overrides
            } catch {
                if !Task.isCancelled { health.failed(error, during: .readingOverrides) }
                onFailed()
            }
            try? await sleep(pause.next())
        }
        return nil
    }

    /// Reads the overrides once and logs nothing. Returns `nil` if they cannot be read now.
    func overridesNow() async -> [StoredOverride]? { try? await store.overrides() }

    /// Returns what other processes do with the store, or `nil` if the store cannot be used now.
    func otherProcesses(since version: StoreVersion?) async -> OtherProcesses? {
        try? await store.otherProcesses(since: version)
    }

    /// Parses expired policies. Logs an unreadable one once and omits it.
    func parse(expired rows: [StoredPolicy]) -> [LoadedPolicy] {
        rows.compactMap { parse(.policy($0), origin: .refresh) }
    }

    private func parse(_ row: StoredRow, origin: Origin) -> LoadedPolicy? {
        switch row {
        case .unreadable(let domain, let reason):
            if isNew(domain) { log.unreadablePolicy(domain, reason: reason, origin: origin) }
            return nil
        case .policy(let stored):
            do throws(PolicyError) {
                return try shared.withLock { shared throws(PolicyError) in try LoadedPolicy(stored, sharing: &shared) }
            } catch {
                let domain = stored.domain.name.text
                if isNew(domain) { log.unreadablePolicy(domain, reason: "\(error)", origin: origin) }
                return nil
            }
        }
    }

    private func isNew(_ subject: String) -> Bool {
        logged.withLock { $0.isNew(subject) }
    }
}
