import Foundation
import Logging

/// Writes log lines to standard error, one line for each event.
///
/// Messages are constants and values are metadata, so operators can search for a message and parse the fields.
/// Documentation/logs.md lists all messages.
/// Concurrency: any thread. It never waits for the reader of standard error (`LogWriter`).
struct LineLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    private let control: LogControl
    /// The level of this logger, if it differs from the others.
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
