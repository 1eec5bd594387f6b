import Foundation
import Logging
import PostfixConfig
import ServiceLifecycle

/// Follows changes of Postfix's settings: `smtp_dns_support_level`, the security level, an upgrade of Postfix itself.
///
/// Every 2 s it compares the versions of the files that the output of postconf(1) depends on. When two checks in a row find
/// the same new versions, it runs `update`, so a change takes effect within 5 s. The second check waits for an editor that
/// is still writing.
/// Concurrency: one task.
/// Errors: while postconf fails, the old settings stay. It runs again after a minute, and after each change of a file.
/// Not here: the effect of the settings (`Reloader.updatePostfix`).
struct PostfixWatch: Service {
    let update: @Sendable () async -> PostfixUpdateResult
    /// The paths to check.
    let files: @Sendable () -> [String]
    /// The error of postconf that is already in the log.
    let loggedError: PostconfError?
    let logger: Logger
    var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    static let interval = Duration.seconds(2)
    /// The number of checks between two runs of a failing postconf: a minute.
    static let checksBetweenAttempts = 30

    private typealias Versions = [String: FileVersion]

    /// The results of the checks so far.
    private struct State {
        var lastSeen: Versions?
        /// The versions at the last run of postconf.
        var applied: Versions?
        /// The number of checks since the last failed run; `nil` if the last run succeeded.
        var checksSinceFailure: Int?
        var loggedError: PostconfError?
    }

    func run() async throws {
        var state = State(loggedError: loggedError)
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            await check(&state)
            try? await cancelWhenGracefulShutdown { try await sleep(Self.interval) }
        }
    }

    private func check(_ state: inout State) async {
        // A missing file has no entry.
        let versions = Versions(
            files().compactMap { path in FileVersion(of: path).map { (path, $0) } }, uniquingKeysWith: { $1 })
        let isStable = versions == state.lastSeen
        state.lastSeen = versions
        if let checks = state.checksSinceFailure { state.checksSinceFailure = checks + 1 }
        let isDue = (state.checksSinceFailure ?? 0) >= Self.checksBetweenAttempts
        guard isStable, versions != state.applied || isDue else { return }
        // The versions from before the run: the next check finds a change during it.
        state.applied = versions
        let result = await update()
        state.checksSinceFailure = nil
        switch result {
        case .failed(let error):
            if error != state.loggedError { RuntimeConfiguration.log(error, to: logger) }
            state.loggedError = error
            state.checksSinceFailure = 0
        case .applied, .rejected:
            state.loggedError = nil
        }
    }

    /// Returns the path of postconf, which an upgrade of Postfix replaces, and the paths of the files that it reads.
    ///
    /// - Parameter result: the last result, which contains the path of Postfix's configuration directory.
    static func files(after result: PostconfResult) -> [String] {
        let directory =
            result.profile?.configurationDirectory ?? ProcessInfo.processInfo.environment["MAIL_CONFIG"]
            ?? "/etc/postfix"
        return [PostconfResult.postconf].compactMap(\.self) + ["main.cf", "master.cf"].map { "\(directory)/\($0)" }
    }
}
