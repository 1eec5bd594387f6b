import Logging
import MTASTS
import Metrics
import NIOCore
import PostfixTable
import Synchronization

/// What all connections share: the numbers in force, what is counted, and what the log was told of them already.
///
/// Threads: any. The settings are swapped as one value; a connection takes them as it reads.
package final class LookupState: Sendable {
    private struct State {
        var settings: LookupSettings
        /// Postfix asked for fewer words than it understands.
        var wastesWords = false
        /// Policies that were too long, and when the log was told.
        var cut: [PolicyDomain: NIODeadline] = [:]
    }

    private let state: Mutex<State>
    let metrics: LookupMetrics
    /// Lines about connections that any client can cause.
    let malformedRequests = LogLimiter()
    let replacedConnections = LogLimiter()
    let refusedConnections = LogLimiter()
    private let logger: Logger

    /// How long one domain's policy is not told of again.
    private static let silence = TimeAmount.hours(1)
    /// Policies that long are rare; a flood of them must not grow for ever.
    private static let maximumCut = 1_000

    package init(
        _ settings: LookupSettings, logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory
    ) {
        state = Mutex(State(settings: settings))
        self.metrics = LookupMetrics(metrics)
        self.logger = logger
    }

    package var settings: LookupSettings { state.withLock(\.settings) }

    /// From now on. Postfix may be another one, so what was told of it is told again.
    package func use(_ settings: LookupSettings) {
        state.withLock { state in
            state.settings = settings
            state.wastesWords = false
        }
    }

    /// A map name chose this dialect.
    func chosen(_ dialect: Dialect) {
        guard dialect != .sts else { return }
        let isNews = state.withLock { state in
            guard state.settings.understood == .sts, !state.wastesWords else { return false }
            state.wastesWords = true
            return true
        }
        guard isNews else { return }
        logger.warning(
            "Postfix asks for fewer words than it understands: write sts for the map's name in main.cf",
            metadata: ["asked": "\(dialect.rawValue)", "understood": "\(Dialect.sts.rawValue)"])
    }

    /// Whether Postfix asked so since the settings were made.
    var wastesWords: Bool { state.withLock(\.wastesWords) }

    /// A policy was too long for Postfix.
    func cut(_ domain: PolicyDomain, _ fit: ReplyFit, _ table: TableProtocol, now: NIODeadline = .now()) {
        guard fit != .whole, isNews(domain, now: now) else { return }
        let facts: Logger.Metadata = [
            "domain": "\(domain)", "protocol": "\(table.rawValue)", "origin": "lookup",
        ]
        if fit == .tooLong {
            logger.warning("policy is longer than Postfix takes, mail is deferred", metadata: facts)
        } else {
            logger.notice("policy is long, said without the words for TLS reports and exact mx names", metadata: facts)
        }
    }

    private func isNews(_ domain: PolicyDomain, now: NIODeadline) -> Bool {
        state.withLock { state in
            if let told = state.cut[domain], now - told < Self.silence { return false }
            if state.cut.count >= Self.maximumCut { state.cut = [:] }
            state.cut[domain] = now
            return true
        }
    }
}
