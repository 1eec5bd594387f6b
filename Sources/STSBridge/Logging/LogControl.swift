import Foundation
import Glibc
import Logging
import Synchronization

/// What is logged and how: `log.level` and `log.format`, which may change while the daemon runs.
///
/// Threads: any. A line that is being written ends in its old form.
final class LogControl: Sendable {
    private struct State {
        var level: Logger.Level
        var format: LogFormat
    }

    private let state: Mutex<State>
    /// Whether standard error is the journal's: text is then written for it.
    private let isJournal: Bool

    init(level: Logger.Level, format: LogFormat, isJournal: Bool) {
        state = Mutex(State(level: level, format: format))
        self.isJournal = isJournal
    }

    convenience init(_ configuration: Configuration) {
        let stream = ProcessInfo.processInfo.environment["JOURNAL_STREAM"]
        self.init(
            level: configuration.logLevel, format: configuration.logFormat,
            isJournal: JournalStream.isBehind(STDERR_FILENO, named: stream))
    }

    var level: Logger.Level { state.withLock(\.level) }

    var format: LogFormat {
        let format = state.withLock(\.format)
        return format == .text && isJournal ? .journal : format
    }

    /// From now on, for every logger that was ever made here.
    func use(_ configuration: Configuration) {
        state.withLock { $0 = State(level: configuration.logLevel, format: configuration.logFormat) }
    }

    var logger: Logger { Logger(label: "sts-bridge") { _ in LineLogHandler(self) } }
}

/// The journal's end of a stream, systemd.exec(5), `$JOURNAL_STREAM`.
enum JournalStream {
    /// - Parameter name: `device:inode`, as systemd writes it; `nil`: nobody wrote it. It is inherited by those who write
    ///   elsewhere, so it is compared.
    static func isBehind(_ descriptor: Int32, named name: String?) -> Bool {
        var status = stat()
        guard let name, fstat(descriptor, &status) == 0 else { return false }
        return name == "\(status.st_dev):\(status.st_ino)"
    }
}
