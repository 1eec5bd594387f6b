import Foundation

/// Documentation/logs.md, as a program reads it: each message with its levels and fields.
package struct LogContract {
    package struct Line: Equatable {
        package let levels: Set<String>
        package let fields: Set<String>
        /// Fields that may be missing.
        package let optional: Set<String>
    }

    package let lines: [String: Line]

    package init(root: URL) throws {
        let page = try String(contentsOf: root.appending(path: "Documentation/logs.md"), encoding: .utf8)
        var lines: [String: Line] = [:]
        for row in page.split(separator: "\n") where row.hasPrefix("| `") {
            // A pipe at both ends, so the first and last pieces are empty.
            let cells = row.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast().map(
                String.init)
            guard cells.count == 3 else { continue }
            let levels = Self.levels.intersection(cells[1].split { !$0.isLetter }.map(String.init))
            guard !levels.isEmpty else { continue }
            let fields = Self.quoted(cells[2])
            let optional = cells[2].split(separator: "[").dropFirst().flatMap { Self.quoted($0.prefix { $0 != "]" }) }
            lines[Self.quoted(cells[0])[0]] = Line(levels: levels, fields: Set(fields), optional: Set(optional))
        }
        self.lines = lines
    }

    private static let levels: Set = ["trace", "debug", "info", "notice", "warning", "error", "critical"]

    /// What is wrong with a line that was written; `nil`: nothing.
    package func fault(level: String, message: String, fields: Set<String>) -> String? {
        guard let line = lines[message] else { return "not documented: \(message)" }
        if !line.levels.contains(level) { return "\(message): level \(level)" }
        let foreign = fields.subtracting(line.fields)
        if !foreign.isEmpty { return "\(message): fields \(foreign.sorted()) are not documented" }
        let missing = line.fields.subtracting(line.optional).subtracting(fields)
        return missing.isEmpty ? nil : "\(message): fields \(missing.sorted()) are missing"
    }

    /// The same for a whole line in JSON.
    package func fault(inJSON text: String) -> String? {
        guard let object = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String],
            let level = object["level"], let message = object["message"], object["time"] != nil
        else { return "not the contract's JSON: \(text)" }
        return fault(
            level: level, message: message, fields: Set(object.keys).subtracting(["time", "level", "message"]))
    }

    /// The same for a line as text, with a time or a priority in front.
    package func fault(inText text: String) -> String? {
        guard let head = text.prefixMatch(of: /(?:[-0-9]+T[:.0-9]+Z\s|<[0-7]>)([a-z]+)\s/) else {
            return "not the contract's text: \(text)"
        }
        let rest = text[head.range.upperBound...]
        // A message may begin another one.
        let known = lines.keys.filter { rest == $0 || rest.hasPrefix($0 + " ") }
        guard let message = known.max(by: { $0.utf8.count < $1.utf8.count }) else { return "not documented: \(text)" }
        var fields: Set<String> = []
        var left = rest.dropFirst(message.count)
        while let field = left.prefixMatch(of: /\s([a-z-]+)=(?:"(?:[^"\\]|\\.)*"|[^ "=]+)/) {
            fields.insert(String(field.1))
            left = left[field.range.upperBound...]
        }
        guard left.isEmpty else { return "not the contract's fields: \(left) in \(text)" }
        return fault(level: String(head.1), message: message, fields: fields)
    }

    private static func quoted(_ cell: some StringProtocol) -> [String] {
        cell.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }
            .map { String($0.element) }
    }
}
