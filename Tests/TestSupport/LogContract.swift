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

    private static func quoted(_ cell: some StringProtocol) -> [String] {
        cell.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }
            .map { String($0.element) }
    }
}
