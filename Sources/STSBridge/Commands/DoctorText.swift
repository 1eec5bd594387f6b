import Doctor
import Foundation
import MTASTS

/// The findings as lines: wrapped on a terminal, whole elsewhere.
struct DoctorText {
    let terminal: Terminal

    /// Where the checks' names and the meanings begin.
    private static let columns = (check: 10, meaning: 28)

    func render(_ findings: [Finding]) -> String {
        var lines: [String] = []
        var area: Check.Area?
        for finding in findings {
            if finding.check.area != area {
                area = finding.check.area
                lines += (lines.isEmpty ? [] : [""]) + [terminal.paint(finding.check.area.rawValue, .strong)]
            }
            lines += self.lines(for: finding)
        }
        return (lines + ["", summary(of: findings)]).joined(separator: "\n")
    }

    private func lines(for finding: Finding) -> [String] {
        let services = finding.services.isEmpty ? "" : "(\(finding.services.joined(separator: ", "))) "
        let texts = (services + finding.meaning)
            .wrapped(to: terminal.width.map { max(20, $0 - Self.columns.meaning) })
        let severity = finding.severity.rawValue.padded(to: Self.columns.check - 2)
        let head =
            "  " + terminal.paint(severity, finding.severity.style)
            + finding.check.rawValue.padded(to: Self.columns.meaning - Self.columns.check)
        let indent = String(repeating: " ", count: Self.columns.meaning)
        let lines = texts.enumerated().map { $0.offset == 0 ? head + $0.element : indent + $0.element }
        return lines + finding.remedies.map(line(for:))
    }

    /// To be copied, so never wrapped.
    private func line(for remedy: Remedy) -> String {
        String(repeating: " ", count: Self.columns.check)
            + terminal.paint("\(remedy.place.rawValue): \(RemoteText.printable(remedy.line, limit: 1_000))", .strong)
    }

    private func summary(of findings: [Finding]) -> String {
        let counts = Severity.allCases.reversed().compactMap { severity -> String? in
            let count = findings.count { $0.severity == severity }
            return count == 0 ? nil : terminal.paint("\(count) \(severity.rawValue)", severity.style)
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
