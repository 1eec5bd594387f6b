import BridgeConfiguration
import Foundation
import Glibc
import Logging
import Metrics
import Synchronization

/// The log of the process: its level and format, which a reload may change, and its writer.
///
/// Concurrency: any thread. A queued line keeps the format that it was queued with.
package final class LogControl: Sendable {
    private let form: LogForm
    private let writer: LogWriter

    /// The maximum time that a stop waits for a stalled reader of standard error.
    package static let closeLimit = Duration.seconds(2)

    /// - Parameters:
    ///   - isJournal: whether `descriptor` is connected to systemd's journal.
    ///   - descriptor: the destination of the lines.
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

    package convenience init(_ configuration: Configuration, metrics: any MetricsFactory = NOOPMetricsHandler.instance)
    {
        let stream = ProcessInfo.processInfo.environment["JOURNAL_STREAM"]
        self.init(
            level: configuration.logLevel, format: configuration.logFormat,
            isJournal: JournalStream.isConnected(STDERR_FILENO, named: stream), metrics: metrics)
    }

    var level: Logger.Level { form.level }
    var format: LogFormat { form.format }

    /// Changes level and format, also for the loggers that exist.
    func update(_ configuration: Configuration) {
        form.update(configuration)
    }

    func write(_ line: LogLine) {
        writer.write(form.octets(of: line))
    }

    /// Writes the queued lines, for two seconds at most, and ends the log. Blocks the thread.
    package func close() {
        writer.close(within: Self.closeLimit)
    }

    package var logger: Logger { Logger(label: "sts-bridge") { _ in LineLogHandler(self) } }
}

/// The current form of log lines.
private final class LogForm: Sendable {
    private struct State {
        var level: Logger.Level
        var format: LogFormat
    }

    private let state: Mutex<State>
    /// Whether standard error is connected to the journal. The format `text` then means `journal`.
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

    func update(_ configuration: Configuration) {
        state.withLock { $0 = State(level: configuration.logLevel, format: configuration.logFormat) }
    }

    /// With the final line feed.
    func octets(of line: LogLine) -> [UInt8] { Array((line.text(in: format) + "\n").utf8) }
}

/// Detects a stream that is connected to systemd's journal: `$JOURNAL_STREAM` in systemd.exec(5).
enum JournalStream {
    /// - Parameter name: `device:inode` of the stream, from the environment; `nil`: not set. Child processes inherit the
    ///   variable even if their standard error is another stream.
    static func isConnected(_ descriptor: Int32, named name: String?) -> Bool {
        var status = stat()
        guard let name, fstat(descriptor, &status) == 0 else { return false }
        return name == "\(status.st_dev):\(status.st_ino)"
    }
}
