import Foundation
import Logging
import MTASTS

/// One event as it is written: a time, a level, a constant message, fields.
///
/// Text from strangers is escaped, whoever logged it: no line break, no terminal sequence, no quote that ends early.
struct LogLine {
    let time: Date
    let level: Logger.Level
    let message: String
    let fields: [String: String]

    /// Characters of a field: a list of mx names fits, a page of HTML does not.
    private static let longestValue = 2_000

    /// Without the line's end.
    func text(in format: LogFormat) -> String {
        switch format {
        case .text: "\(timeText) \(words)"
        // The journal has its own time, and takes the level from the prefix (sd-daemon(3)).
        case .journal: "<\(level.priority)>\(words)"
        case .json: json
        }
    }

    private var words: String {
        let facts = fields.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.quoted($0.value))" }
        return ([level.rawValue, message] + facts).joined(separator: " ")
    }

    private var json: String {
        var object = fields.mapValues { RemoteText.printable($0, limit: Self.longestValue) }
        object["time"] = timeText
        object["level"] = level.rawValue
        object["message"] = message
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(object) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    private var timeText: String {
        time.formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true)) + "Z"
    }

    private static func quoted(_ value: String) -> String {
        let escaped = RemoteText.printable(value, limit: longestValue)
        let isPlain = !escaped.isEmpty && !escaped.utf8.contains { $0 == 0x20 || $0 == 0x22 || $0 == 0x3D }
        return isPlain ? escaped : "\"\(escaped.replacing("\"", with: "\\\""))\""
    }
}

extension Logger.Level {
    /// syslog(3)'s number.
    fileprivate var priority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
