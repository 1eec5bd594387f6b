import Foundation
import Logging
import PostfixSettings
import ServiceLifecycle

/// Follows changes of Postfix's settings: `smtp_dns_support_level`, the security level, an upgrade of Postfix itself.
///
/// Every 2 s it compares the versions of the files that decide what postconf(1) returns. If two looks in a row find the
/// same new versions, it has postconf asked again, so a change is in force within 5 s. A file that an editor is still
/// writing waits for the next look.
/// Concurrency: one task.
/// Errors: while postconf fails the old settings stay. It is asked again after a minute, and at each change of a
/// file.
/// Not here: what follows from the settings (`Reloader.followPostfix`).
struct PostfixWatch: Service {
    let follow: @Sendable () async -> FollowOutcome
    /// Paths whose versions count.
    let files: @Sendable () -> [String]
    /// The failure of postconf that is in the log already.
    let loggedFailure: PostconfFailure?
    let logger: Logger
    var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    static let interval = Duration.seconds(2)
    /// Looks between two attempts while postconf fails: a minute.
    static let looksBetweenAttempts = 30

    private typealias Versions = [String: FileVersion]

    /// What the looks so far found.
    private struct State {
        var seen: Versions?
        /// The versions for which postconf was asked.
        var asked: Versions?
        /// Looks since the last failed attempt; `nil` if the last attempt did not fail.
        var looksSinceFailure: Int?
        var loggedFailure: PostconfFailure?
    }

    func run() async throws {
        var state = State(loggedFailure: loggedFailure)
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            await look(&state)
            try? await cancelWhenGracefulShutdown { try await sleep(Self.interval) }
        }
    }

    private func look(_ state: inout State) async {
        // One that is missing has no entry.
        let versions = Versions(
            files().compactMap { path in FileVersion(of: path).map { (path, $0) } }, uniquingKeysWith: { $1 })
        let isSettled = versions == state.seen
        state.seen = versions
        if let looks = state.looksSinceFailure { state.looksSinceFailure = looks + 1 }
        let isDue = (state.looksSinceFailure ?? 0) >= Self.looksBetweenAttempts
        guard isSettled, versions != state.asked || isDue else { return }
        // Versions from before the question: a change during it is found by the next look.
        state.asked = versions
        let outcome = await follow()
        state.looksSinceFailure = nil
        switch outcome {
        case .failed(let failure):
            if failure != state.loggedFailure { Setup.tell(failure, logger) }
            state.loggedFailure = failure
            state.looksSinceFailure = 0
        case .inForce, .refused:
            state.loggedFailure = nil
        }
    }

    /// postconf itself, whose upgrade changes Postfix's version, and the files that it reads.
    ///
    /// - Parameter answer: the last one, which says where Postfix has its files.
    static func files(after answer: PostfixAnswer) -> [String] {
        let directory =
            answer.local?.configurationDirectory ?? ProcessInfo.processInfo.environment["MAIL_CONFIG"] ?? "/etc/postfix"
        return [PostfixAnswer.postconf].compactMap(\.self) + ["main.cf", "master.cf"].map { "\(directory)/\($0)" }
    }
}
