import MTASTS
import Synchronization

/// Brings what the archive keeps back into memory: all of it at the start, one domain when it is asked for.
///
/// Each row's text is parsed again; one that is no policy is dropped loudly, the rest serve.
/// Concurrency: any task.
/// Fails by: finding nothing, loudly; `load` goes on trying.
final class ArchiveReader: Sendable {
    private let archive: any PolicyArchive
    private let writer: ArchiveWriter
    private let log: ChangeLog
    private let alarm: ArchiveAlarm
    private let sleep: @Sendable (Duration) async throws -> Void
    /// Rows that cannot be read, by domain as it stands there: each is told once, however often loading begins again.
    private let unreadable = Mutex<Set<String>>([])
    /// A file of nothing else must not fill memory.
    private static let maximumTold = 10_000

    init(
        _ archive: any PolicyArchive, beside writer: ArchiveWriter, log: ChangeLog, alarm: ArchiveAlarm,
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.archive = archive
        self.writer = writer
        self.log = log
        self.alarm = alarm
        self.sleep = sleep
    }

    /// Hands over everything that is kept, some hundred at a time. Returns when that is done or its task is cancelled;
    /// a try that fails in the middle begins again, with what was handed over already.
    ///
    /// - Parameter onTried: called after each try, whether it went well or not.
    /// - Returns: whether everything was handed over.
    func load(onTried: () -> Void = {}, _ take: @escaping @Sendable ([KeptPolicy]) -> Void) async -> Bool {
        defer { onTried() }
        guard !archive.keepsNothing else { return true }
        // What another process still changes is looked up when it is asked for, and loaded when it is ours.
        guard !archive.isAnothersYet else { return false }
        var pause = RetryPause()
        while !Task.isCancelled {
            let count = Mutex(0)
            do throws(ArchiveFailure) {
                try await archive.load { rows in
                    let kept = rows.compactMap { self.parse($0, .start) }
                    count.withLock { $0 += kept.count }
                    take(kept)
                }
                alarm.end(.reading)
                log.loaded(count.withLock { $0 })
                return true
            } catch {
                if !Task.isCancelled { alarm.raise(error, .reading) }
            }
            onTried()
            try? await sleep(pause.next())
        }
        return false
    }

    /// What is kept of a domain, or is about to be, for a flight.
    func recollection(of domain: PolicyDomain) async -> Recollection {
        do throws(ArchiveFailure) {
            return try await policy(of: domain).map(Recollection.policy) ?? .nothing
        } catch {
            return .unreadable
        }
    }

    /// What is kept of a domain, or is about to be; `nil`: nothing.
    func policy(of domain: PolicyDomain) async throws(ArchiveFailure) -> KeptPolicy? {
        switch writer.pending(of: domain) {
        case .keep(let policy): return parse(.policy(policy), .lookup)
        case .remove: return nil
        default: break
        }
        do throws(ArchiveFailure) {
            let row = try await archive.row(of: domain)
            alarm.calm()
            return row.flatMap { parse($0, .lookup) }
        } catch {
            alarm.raise(error, nil)
            throw error
        }
    }

    /// What the operator has ordered; tries until it can be read.
    ///
    /// - Parameter failed: called after each try that failed.
    /// - Returns: `nil` when its task was cancelled.
    func orders(failed: @Sendable () -> Void) async -> [ArchivedOrder]? {
        var pause = RetryPause()
        while !Task.isCancelled {
            do throws(ArchiveFailure) {
                let orders = try await archive.orders()
                alarm.end(.readingOrders)
                for case .unreadable(let subject, let reason) in orders { tellOrder(subject, reason) }
                return orders
            } catch {
                if !Task.isCancelled { alarm.raise(error, .readingOrders) }
                failed()
            }
            try? await sleep(pause.next())
        }
        return nil
    }

    /// The same by one try, of which nothing is told. `nil`: they cannot be read now.
    func ordersNow() async -> [ArchivedOrder]? { try? await archive.orders() }

    /// Rows past the end of their life; one that cannot be parsed is logged once and left out.
    func parse(expired rows: [ArchivedPolicy]) -> [KeptPolicy] {
        rows.compactMap { parse(.policy($0), .refresh) }
    }

    private func parse(_ row: ArchivedRow, _ origin: Origin) -> KeptPolicy? {
        switch row {
        case .unreadable(let domain, let reason):
            drop(domain, reason, origin)
            return nil
        case .policy(let archived):
            do throws(PolicyError) {
                return try KeptPolicy(archived)
            } catch {
                drop(archived.domain.name.text, "\(error)", origin)
                return nil
            }
        }
    }

    private func drop(_ domain: String, _ reason: String, _ origin: Origin) {
        if isNews(domain) { log.unreadable(domain, reason: reason, origin) }
    }

    private func tellOrder(_ subject: String, _ reason: String) {
        // No domain begins so.
        if isNews("order \(subject)") { log.unreadableOrder(subject, reason: reason) }
    }

    private func isNews(_ what: String) -> Bool {
        unreadable.withLock { told in told.count < Self.maximumTold && told.insert(what).inserted }
    }
}
