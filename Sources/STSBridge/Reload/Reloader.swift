import Dispatch
import Logging
import LookupServer
import Synchronization

/// Reads the configuration again and puts it in force while lookups go on: all of it, or nothing.
///
/// `followPostfix` does the same for Postfix's settings alone.
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
    private let follow: @Sendable (Setup) -> Void
    private let logger: Logger
    private let onBegin: @Sendable () -> Void
    private let onEnd: @Sendable () -> Void
    private let ask: @Sendable (PostfixAnswer) -> PostfixAnswer
    private var last: Task<Void, Never>?

    /// - Parameter read: as at the start.
    /// - Parameter onBegin: called before each reload, and `onEnd` after it, whatever came of it.
    /// - Parameter ask: runs postconf; the argument is the answer to keep if it does not work. Blocks.
    /// - Parameter apply: puts a setup in force, or throws and has changed nothing.
    /// - Parameter follow: puts in force what follows from Postfix's settings. Opens no socket, so it cannot fail.
    init(
        _ setup: Setup, logger: Logger, read: @escaping @Sendable () throws(CommandFailure) -> Configuration,
        onBegin: @escaping @Sendable () -> Void = {}, onEnd: @escaping @Sendable () -> Void = {},
        ask: @escaping @Sendable (PostfixAnswer) -> PostfixAnswer = { PostfixAnswer.ask(before: $0) },
        apply: @escaping @Sendable (Setup) async throws(ListenFailure) -> Void,
        follow: @escaping @Sendable (Setup) -> Void
    ) {
        inForce = Mutex(setup)
        self.logger = logger
        self.read = read
        self.onBegin = onBegin
        self.onEnd = onEnd
        self.ask = ask
        self.apply = apply
        self.follow = follow
    }

    func reload() async -> ReloadOutcome { await inTurn { await self.perform() } }

    /// Runs postconf again and applies what is different: dialect, security level, DANE. The configuration is not read.
    func followPostfix() async -> FollowOutcome { await inTurn { await self.performFollowing() } }

    private func inTurn<Outcome: Sendable>(_ work: @escaping @Sendable () async -> Outcome) async -> Outcome {
        let task = Task { [last] in
            await last?.value
            return await work()
        }
        last = Task { _ = await task.value }
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
            let facts = setup.changedFacts(in: new)
            inForce.withLock { $0 = new }
            tell(difference)
            return .reloaded(difference.changes, facts: facts, needsRestart: difference.needsRestart)
        } catch {
            logger.error("reload refused, the old configuration stays", metadata: ["reason": "\(error)"])
            return .refused("\(error)")
        }
    }

    private func performFollowing() async -> FollowOutcome {
        let old = setup
        let answer = await Self.blocking { [ask] in ask(old.postfix.answer) }
        if let failure = answer.failure { return .failed(failure) }
        guard answer != old.postfix.answer else { return .inForce([]) }
        do throws(CommandFailure) {
            let new = try await Self.blocking { [logger] in
                Result { () throws(CommandFailure) in try old.following(answer, logger: logger) }
            }.get()
            follow(new)
            inForce.withLock { $0 = new }
            let facts = old.changedFacts(in: new)
            if !facts.isEmpty { logger.notice("Postfix settings changed", metadata: new.facts) }
            new.tellPostfixConflicts(logger, before: old)
            return .inForce(facts)
        } catch {
            logger.error(
                "Postfix settings contradict the configuration, the old ones stay", metadata: ["reason": "\(error)"])
            return .refused("\(error)")
        }
    }

    private typealias Prepared = (setup: Setup, difference: ConfigurationDifference)

    private func prepare(beside old: Setup) async throws(CommandFailure) -> Prepared {
        try await Self.blocking { [read, ask, logger] in
            Result { () throws(CommandFailure) -> Prepared in
                let difference = ConfigurationDifference(from: old.configuration, to: try read())
                let answer = ask(old.postfix.answer)
                return (
                    try Setup(difference.configuration, before: old, answer: answer, logger: logger), difference
                )
            }
        }.get()
    }

    /// Runs `work` on a thread that may wait: postconf and files block.
    private static func blocking<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: work()) }
        }
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
