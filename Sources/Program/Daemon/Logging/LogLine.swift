import AdminAPI
import BridgeConfiguration
import Foundation
import Logging
import TextFormats

/// One log line: time, level, constant message, fields.
///
/// Security: it escapes all values, because they may contain untrusted text: line breaks, terminal sequences, quotes.
struct LogLine {
    let time: Date
    let level: Logger.Level
    let message: String
    let fields: [String: String]

    /// Characters of a value. A list of mx names fits, a page of HTML does not.
    private static let maximumValue = 2_000

    /// The line without its line feed.
    func text(in format: LogFormat) -> String {
        switch format {
        case .text: "\(timestamp) \(summary)"
        // The journal adds the time, and reads the level from the prefix (sd-daemon(3)).
        case .journal: "<\(level.priority)>\(summary)"
        case .json: json
        }
    }

    private var summary: String {
        let values = fields.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.quoted($0.value))" }
        return ([level.rawValue, message] + values).joined(separator: " ")
    }

    private var json: String {
        var object = fields.mapValues { UntrustedText.printable($0, limit: Self.maximumValue) }
        object["time"] = timestamp
        object["level"] = level.rawValue
        object["message"] = message
        return (try? APIEncoding.text(object)) ?? "{}"
    }

    private var timestamp: String {
        time.formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true)) + "Z"
    }

    private static func quoted(_ value: String) -> String {
        let escaped = UntrustedText.printable(value, limit: maximumValue)
        let isPlain = !escaped.isEmpty && !escaped.utf8.contains { $0 == 0x20 || $0 == 0x22 || $0 == 0x3D }
        return isPlain ? escaped : "\"\(escaped.replacing("\"", with: "\\\""))\""
    }
}

extension Logger.Level {
    /// The priority of syslog(3).
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
