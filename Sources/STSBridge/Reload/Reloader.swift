import Dispatch
import Logging
import LookupServer
import Synchronization

/// Reads the configuration again and puts it in force while lookups go on: all of it, or nothing.
///
/// Everything that can fail is made anew beside the old, the ways to DNS and HTTPS too: a reload also reads resolv.conf,
/// the CA file and the root's keys again, and asks postconf. Only then the rooms are switched, each by one value.
/// Concurrency: any task; one reload after the other, in the order of the calls.
/// Fails by: `ReloadOutcome.refused`, and the log says so.
actor Reloader {
    private let inForce: Mutex<Setup>
    /// The setup in force.
    nonisolated var setup: Setup { inForce.withLock { $0 } }
    private let read: @Sendable () throws(CommandFailure) -> Configuration
    private let apply: @Sendable (Setup) async throws(ListenFailure) -> Void
    private let logger: Logger
    private let onBegin: @Sendable () -> Void
    private let onEnd: @Sendable () -> Void
    private var last: Task<ReloadOutcome, Never>?

    /// - Parameter read: as at the start.
    /// - Parameter onBegin: called before each reload, and `onEnd` after it, whatever came of it.
    /// - Parameter apply: puts a setup in force, or throws and has changed nothing.
    init(
        _ setup: Setup, logger: Logger, read: @escaping @Sendable () throws(CommandFailure) -> Configuration,
        onBegin: @escaping @Sendable () -> Void = {}, onEnd: @escaping @Sendable () -> Void = {},
        apply: @escaping @Sendable (Setup) async throws(ListenFailure) -> Void
    ) {
        inForce = Mutex(setup)
        self.logger = logger
        self.read = read
        self.onBegin = onBegin
        self.onEnd = onEnd
        self.apply = apply
    }

    func reload() async -> ReloadOutcome {
        let task = Task { [last] in
            _ = await last?.value
            return await self.perform()
        }
        last = task
        return await task.value
    }

    private func perform() async -> ReloadOutcome {
        onBegin()
        defer { onEnd() }
        do throws(CommandFailure) {
            let (new, difference) = try await prepare(beside: setup)
            do throws(ListenFailure) {
                try await apply(new)
            } catch {
                throw CommandFailure(.usage, "\(error)")
            }
            inForce.withLock { $0 = new }
            tell(difference)
            return .reloaded(difference.changes, needsRestart: difference.needsRestart)
        } catch {
            logger.error("reload refused, the old configuration stays", metadata: ["reason": "\(error)"])
            return .refused("\(error)")
        }
    }

    private typealias Prepared = (setup: Setup, difference: ConfigurationDifference)

    /// On a thread that may wait: postconf and files block.
    private func prepare(beside old: Setup) async throws(CommandFailure) -> Prepared {
        let (read, logger) = (read, logger)
        let result = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    returning: Result { () throws(CommandFailure) -> Prepared in
                        let difference = ConfigurationDifference(from: old.configuration, to: try read())
                        let setup = try Setup(difference.configuration, before: old, logger: logger)
                        try setup.postfix.check()
                        return (setup, difference)
                    })
            }
        }
        return try result.get()
    }

    private func tell(_ difference: ConfigurationDifference) {
        for change in difference.changes {
            logger.notice(
                "configuration changed",
                metadata: ["key": "\(change.key)", "from": "\(change.old)", "to": "\(change.new)"])
        }
        if !difference.needsRestart.isEmpty {
            logger.warning(
                "configuration needs a restart, these keys keep their old value",
                metadata: ["keys": "\(difference.needsRestart.joined(separator: ","))"])
        }
        logger.notice("configuration reloaded", metadata: setup.facts)
        setup.tellConflicts(logger)
    }
}
