import Foundation
import Logging

/// Writes log lines to standard error, one event a line.
///
/// Messages are constants and facts are metadata, so a line can be searched by its message and read by its fields; the
/// contract is in Documentation/logs.md.
/// Concurrency: any thread; never waits for the reader of standard error (`LogWriter`).
struct LineLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    private let control: LogControl
    /// Where one logger shows less than the others.
    private var ownLevel: Logger.Level?

    init(_ control: LogControl) {
        self.control = control
    }

    var logLevel: Logger.Level {
        get { ownLevel ?? control.level }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let line = LogLine(
            time: Date(), level: event.level, message: "\(event.message)", fields: fields.mapValues { "\($0)" })
        control.write(line)
    }
}
