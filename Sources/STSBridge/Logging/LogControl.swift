import Foundation
import Glibc
import Logging
import Metrics
import Synchronization

/// What is logged and how: `log.level` and `log.format`, which may change while the daemon runs.
///
/// Threads: any. A line that is queued keeps its old form.
final class LogControl: Sendable {
    private let form: LogForm
    private let writer: LogWriter

    /// How long a stop waits for a reader of standard error that has stalled.
    static let closeLimit = Duration.seconds(2)

    /// - Parameters:
    ///   - descriptor: where the lines go.
    ///   - metrics: counts dropped lines.
    init(
        level: Logger.Level, format: LogFormat, isJournal: Bool, descriptor: Int32 = STDERR_FILENO,
        metrics: any MetricsFactory = NOOPMetricsHandler.instance
    ) {
        let form = LogForm(level: level, format: format, isJournal: isJournal)
        let dropped = Counter(label: "sts_bridge_log_lines_dropped_total", factory: metrics)
        self.form = form
        writer = LogWriter(
            to: descriptor,
            report: { count in
                form.octets(
                    of: LogLine(
                        time: Date(), level: .warning, message: "log lines dropped, the reader of the log is too slow",
                        fields: ["lines": "\(count)"]))
            }, onDrop: { dropped.increment() })
    }

    convenience init(_ configuration: Configuration, metrics: any MetricsFactory = NOOPMetricsHandler.instance) {
        let stream = ProcessInfo.processInfo.environment["JOURNAL_STREAM"]
        self.init(
            level: configuration.logLevel, format: configuration.logFormat,
            isJournal: JournalStream.isBehind(STDERR_FILENO, named: stream), metrics: metrics)
    }

    var level: Logger.Level { form.level }
    var format: LogFormat { form.format }

    /// From now on, for every logger that was ever made here.
    func use(_ configuration: Configuration) {
        form.use(configuration)
    }

    func write(_ line: LogLine) {
        writer.write(form.octets(of: line))
    }

    /// Writes what is queued, for two seconds at most, and ends the log. Blocks the thread.
    func close() {
        writer.close(within: Self.closeLimit)
    }

    var logger: Logger { Logger(label: "sts-bridge") { _ in LineLogHandler(self) } }
}

/// The form of a log line, at the moment.
private final class LogForm: Sendable {
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

    var level: Logger.Level { state.withLock(\.level) }

    var format: LogFormat {
        let format = state.withLock(\.format)
        return format == .text && isJournal ? .journal : format
    }

    func use(_ configuration: Configuration) {
        state.withLock { $0 = State(level: configuration.logLevel, format: configuration.logFormat) }
    }

    /// With the final line feed.
    func octets(of line: LogLine) -> [UInt8] { Array((line.text(in: format) + "\n").utf8) }
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
