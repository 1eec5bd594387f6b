import BridgeConfiguration
import Dispatch
import Logging
import Synchronization
import TableServer

/// Reads the configuration again and applies it while the daemon serves lookups: all of it, or nothing.
///
/// `updatePostfix` does the same for Postfix's settings alone.
///
/// A reload first creates everything that can fail, including the clients for DNS and HTTPS: it also reads resolv.conf, the
/// CA file and the trust anchors again, and runs postconf. Only then it switches the modules, each by one value.
/// Concurrency: any task. Reloads run one after another, in the order of the calls.
/// Errors: `ReloadResult.rejected`, and a log line.
actor Reloader {
    private let state: Mutex<RuntimeConfiguration>
    /// The current configuration.
    nonisolated var current: RuntimeConfiguration { state.withLock { $0 } }
    private let actions: Actions
    private let logger: Logger
    private var last: Task<Void, Never>?

    /// The steps of a reload that other objects perform.
    struct Actions: Sendable {
        /// Reads the configuration, as at the start.
        let read: @Sendable () throws(ConfigurationError) -> Configuration
        /// Called before each reload.
        var willReload: @Sendable () -> Void = {}
        /// Called after each reload, whatever its result.
        var didReload: @Sendable () -> Void = {}
        /// Runs postconf. The argument supplies the profile if postconf fails. Blocks.
        var runPostconf: @Sendable (PostconfResult) -> PostconfResult = { PostconfResult.run(previous: $0) }
        /// Applies a configuration, or throws without any change.
        let apply: @Sendable (RuntimeConfiguration) async throws(ListenError) -> Void
        /// Applies the settings that follow from Postfix's. It opens no socket, so it cannot fail.
        let applyPostfixSettings: @Sendable (RuntimeConfiguration) -> Void
    }

    init(_ initial: RuntimeConfiguration, logger: Logger, actions: Actions) {
        state = Mutex(initial)
        self.logger = logger
        self.actions = actions
    }

    func reload() async -> ReloadResult { await inOrder { await self.performReload() } }

    /// Runs postconf again and applies what has changed: dialect, security level, DANE. It does not read the configuration.
    func updatePostfix() async -> PostfixUpdateResult { await inOrder { await self.performPostfixUpdate() } }

    private func inOrder<Result: Sendable>(_ work: @escaping @Sendable () async -> Result) async -> Result {
        let task = Task { [last] in
            await last?.value
            return await work()
        }
        last = Task { _ = await task.value }
        return await task.value
    }

    private func performReload() async -> ReloadResult {
        actions.willReload()
        defer { actions.didReload() }
        do throws(DaemonError) {
            let old = current
            let (new, difference) = try await prepare(replacing: old)
            do throws(ListenError) {
                try await actions.apply(new)
            } catch {
                throw DaemonError(.configuration, reason: "\(error)")
            }
            let settings = old.changedSettings(in: new)
            state.withLock { $0 = new }
            log(difference)
            return .reloaded(difference.changes, settings: settings, needsRestart: difference.needsRestart)
        } catch {
            logger.error("reload rejected, keeping the old configuration", metadata: ["reason": "\(error)"])
            return .rejected("\(error)")
        }
    }

    private func performPostfixUpdate() async -> PostfixUpdateResult {
        let old = current
        let postconf = await Self.onBlockingThread { [actions] in actions.runPostconf(old.postfix.postconf) }
        if let error = postconf.error { return .failed(error) }
        guard postconf != old.postfix.postconf else { return .applied([]) }
        do throws(DaemonError) {
            let new = try await Self.onBlockingThread { [logger] in
                Result { () throws(DaemonError) in try old.replacing(postconf: postconf, logger: logger) }
            }.get()
            actions.applyPostfixSettings(new)
            state.withLock { $0 = new }
            let settings = old.changedSettings(in: new)
            if !settings.isEmpty { logger.notice("Postfix settings changed", metadata: new.logMetadata) }
            new.logPostfixConflicts(logger, previous: old)
            return .applied(settings)
        } catch {
            logger.error(
                "Postfix settings contradict the configuration, keeping the old settings",
                metadata: ["reason": "\(error)"])
            return .rejected("\(error)")
        }
    }

    private typealias Prepared = (new: RuntimeConfiguration, difference: ConfigurationDifference)

    private func prepare(replacing old: RuntimeConfiguration) async throws(DaemonError) -> Prepared {
        try await Self.onBlockingThread { [actions, logger] in
            Result { () throws(DaemonError) -> Prepared in
                let configuration: Configuration
                do throws(ConfigurationError) {
                    configuration = try actions.read()
                } catch {
                    throw DaemonError(error)
                }
                let difference = ConfigurationDifference(from: old.configuration, to: configuration)
                let new = try RuntimeConfiguration(
                    difference.configuration, previous: old, postconf: actions.runPostconf(old.postfix.postconf),
                    logger: logger)
                return (new, difference)
            }
        }.get()
    }

    /// Runs `work` on a thread that may block: postconf and files do.
    private static func onBlockingThread<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: work()) }
        }
    }

    private func log(_ difference: ConfigurationDifference) {
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
        logger.notice("configuration reloaded", metadata: current.logMetadata)
        current.logConflicts(logger)
    }
}
