import Logging
import MTASTS
import Metrics
import NIOCore
import PostfixTable
import Synchronization

/// The state that all connections share: the settings, the metrics, and which messages are logged already.
///
/// Concurrency: any thread. The settings are replaced as one value; a connection takes them when it reads.
package final class ConnectionContext: Sendable {
    private struct State {
        var settings: LookupSettings
        /// A socketmap client chose an older dialect than Postfix understands.
        var usesOldDialect = false
        /// Policies that were too long, and when that was logged.
        var truncated: [PolicyDomain: NIODeadline] = [:]
    }

    private let state: Mutex<State>
    private let readyReplies = Mutex(ReadyReplies())
    let metrics: LookupMetrics
    /// Messages about connections that any client can cause.
    let malformedRequests = LogLimiter()
    let replacedConnections = LogLimiter()
    let refusedConnections = LogLimiter()
    let unacceptedConnections = LogLimiter()
    private let logger: Logger

    /// Between two messages about the policy of one domain.
    private static let messageInterval = TimeAmount.hours(1)
    /// Policies that long are rare. The limit bounds the memory in a flood of them.
    private static let maximumTruncated = 1_000

    package init(
        _ settings: LookupSettings, logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory
    ) {
        state = Mutex(State(settings: settings))
        self.metrics = LookupMetrics(metrics)
        self.logger = logger
    }

    package var settings: LookupSettings { state.withLock(\.settings) }

    /// Replaces the settings. Postfix may have changed too, so the message about an old dialect may be logged again.
    package func update(settings: LookupSettings) {
        state.withLock { state in
            state.settings = settings
            state.usesOldDialect = false
        }
    }

    // MARK: Ready replies

    /// Whether ready replies may be used: not while each lookup is logged.
    var usesReadyReplies: Bool { logger.logLevel > .debug }

    func withReadyReplies(_ body: (borrowing ReadyReplies) -> Void) { readyReplies.withLock { body($0) } }

    func store(_ reply: ReadyReply) {
        readyReplies.withLock { $0.store(reply) }
    }

    /// A socketmap client chose this dialect by its map name. Logs an older dialect than Postfix understands, once.
    func noteChosen(_ dialect: Dialect) {
        guard dialect != .sts else { return }
        let isNew = state.withLock { state in
            guard state.settings.understood == .sts, !state.usesOldDialect else { return false }
            state.usesOldDialect = true
            return true
        }
        guard isNew else { return }
        logger.warning(
            "Postfix 3.10 or later uses an old map name; use :sts in smtp_tls_policy_maps",
            metadata: ["requested": "\(dialect.rawValue)", "understood": "\(Dialect.sts.rawValue)"])
    }

    /// Whether a client chose an older dialect than Postfix understands, since the settings were set.
    var usesOldDialect: Bool { state.withLock(\.usesOldDialect) }

    /// A policy was rendered. Logs one that is too long for Postfix, once an hour.
    func noteFit(_ fit: FitResult, of domain: PolicyDomain, table: TableProtocol, now: NIODeadline = .now()) {
        guard fit != .whole, noteTruncated(domain, now: now) else { return }
        let metadata: Logger.Metadata = [
            "domain": "\(domain)", "protocol": "\(table.rawValue)", "origin": "lookup",
        ]
        if fit == .tooLong {
            logger.warning("policy is longer than Postfix takes, mail is deferred", metadata: metadata)
        } else {
            logger.notice("policy too long for one reply, sent without TLSRPT attributes", metadata: metadata)
        }
    }

    /// - Returns: whether it is to be logged.
    private func noteTruncated(_ domain: PolicyDomain, now: NIODeadline) -> Bool {
        state.withLock { state in
            if let last = state.truncated[domain], now - last < Self.messageInterval { return false }
            if state.truncated.count >= Self.maximumTruncated { state.truncated = [:] }
            state.truncated[domain] = now
            return true
        }
    }
}
