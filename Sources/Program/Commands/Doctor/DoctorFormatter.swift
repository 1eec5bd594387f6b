import BridgeConfiguration
import Doctor
import Foundation
import TextFormats

/// Formats the results of `doctor`. Lines wrap on a terminal, but not in a pipe or a file.
struct DoctorFormatter {
    let terminal: Terminal

    /// The columns at which names and meanings start.
    private static let columns = (check: 10, meaning: 28)

    func format(_ results: [CheckResult]) -> String {
        var lines: [String] = []
        var area: Check.Area?
        for result in results {
            if result.check.area != area {
                area = result.check.area
                lines += (lines.isEmpty ? [] : [""]) + [terminal.paint(result.check.area.rawValue, style: .strong)]
            }
            lines += self.lines(for: result)
        }
        return (lines + ["", summary(of: results)]).joined(separator: "\n")
    }

    private func lines(for result: CheckResult) -> [String] {
        let services = result.services.isEmpty ? "" : "(\(result.services.joined(separator: ", "))) "
        let texts = (services + result.meaning)
            .wrapped(to: terminal.width.map { max(20, $0 - Self.columns.meaning) })
        let severity = result.severity.rawValue.padded(to: Self.columns.check - 2)
        let head =
            "  " + terminal.paint(severity, style: result.severity.style)
            + result.check.rawValue.padded(to: Self.columns.meaning - Self.columns.check)
        let indent = String(repeating: " ", count: Self.columns.meaning)
        let lines = texts.enumerated().map { $0.offset == 0 ? head + $0.element : indent + $0.element }
        return lines + result.fixes.map(line(for:))
    }

    /// Never wraps the line, so that a user can copy it.
    private func line(for fix: Fix) -> String {
        String(repeating: " ", count: Self.columns.check)
            + terminal.paint(
                "\(fix.place.rawValue): \(UntrustedText.printable(fix.line, limit: 1_000))", style: .strong)
    }

    private func summary(of results: [CheckResult]) -> String {
        let counts = Severity.allCases.reversed().compactMap { severity -> String? in
            let count = results.count { $0.severity == severity }
            return count == 0 ? nil : terminal.paint("\(count) \(severity.rawValue)", style: severity.style)
        }
        return counts.joined(separator: ", ")
    }
}

extension Severity {
    fileprivate var style: Style {
        switch self {
        case .skip: .faint
        case .ok: .good
        case .unknown: .strong
        case .warn: .warning
        case .fail: .bad
        }
    }
}

extension String {
    fileprivate func padded(to length: Int) -> String {
        padding(toLength: max(length, count + 1), withPad: " ", startingAt: 0)
    }
}
