import Foundation
import Glibc
import Logging
import MTASTS

/// Writes log lines to standard error: one event a line, in text or JSON.
///
/// Messages are constants and facts are metadata, so a line can be searched by its message and read by its fields. Text
/// from strangers is escaped, whoever logged it: no line break, no terminal sequence.
/// Concurrency: any thread; each line is one write(2).
struct LineLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    private let format: LogFormat

    init(level: Logger.Level, format: LogFormat) {
        logLevel = level
        self.format = format
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let facts = fields.map { (key: $0.key, value: "\($0.value)") }.sorted { $0.key < $1.key }
        let time = Date().formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true))
        let line =
            switch format {
            case .text: Self.text(time: time, level: event.level, message: "\(event.message)", facts: facts)
            case .json: Self.json(time: time, level: event.level, message: "\(event.message)", facts: facts)
            }
        let bytes = Array((line + "\n").utf8)
        // A log that cannot be written has nobody left to tell.
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private typealias Facts = [(key: String, value: String)]

    private static func text(time: String, level: Logger.Level, message: String, facts: Facts) -> String {
        let fields = facts.map { "\($0.key)=\(quoted($0.value))" }
        return (["\(time)Z", level.rawValue, message] + fields).joined(separator: " ")
    }

    private static func quoted(_ value: String) -> String {
        let escaped = RemoteText.printable(value, limit: longestValue)
        let isPlain = !escaped.isEmpty && !escaped.utf8.contains { $0 == 0x20 || $0 == 0x22 || $0 == 0x3D }
        return isPlain ? escaped : "\"\(escaped.replacing("\"", with: "\\\""))\""
    }

    private static func json(time: String, level: Logger.Level, message: String, facts: Facts) -> String {
        var object = ["time": "\(time)Z", "level": level.rawValue, "message": message]
        for (key, value) in facts { object[key] = RemoteText.printable(value, limit: longestValue) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(object) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    /// Characters: a list of mx names fits, a page of HTML does not.
    private static let longestValue = 2_000
}

extension Configuration {
    var logger: Logger {
        let (level, format) = (logLevel, logFormat)
        return Logger(label: "sts-bridge") { _ in LineLogHandler(level: level, format: format) }
    }
}
