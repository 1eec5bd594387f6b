import Foundation
import Testing

/// The alerts and the dashboard in Documentation/monitoring, as Prometheus reads them.
///
/// Not here: that their metrics exist, which the end-to-end tests check.
@Suite(.timeLimit(.minutes(5))) struct MonitoringFilesTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    private static let rules = root.appending(path: "Documentation/monitoring/sts-bridge.rules.yml")

    private func promtool(_ arguments: String..., file: String) async throws -> Binary.Outcome {
        let path = NSTemporaryDirectory() + "sts-bridge-\(UUID().uuidString).yml"
        try file.write(toFile: path, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await Binary.run("/usr/bin/promtool", arguments: arguments + [path])
    }

    @Test func `Prometheus accepts the alerts`() async throws {
        let text = try String(contentsOf: Self.rules, encoding: .utf8)
        let outcome = try await promtool("check", "rules", file: text)
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
        #expect(outcome.output.contains("13 rules found"))
    }

    @Test func `each alert fires for its error, and none without an error`() async throws {
        let template = Self.root.appending(path: "Tests/Fixtures/sts-bridge.rules.test.yml")
        let text = try String(contentsOf: template, encoding: .utf8).replacing("RULES", with: Self.rules.path)
        let outcome = try await promtool("test", "rules", file: text)
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
    }

    @Test func `Prometheus accepts the dashboard's expressions, and every panel has one`() async throws {
        let data = try Data(contentsOf: Self.root.appending(path: "Documentation/monitoring/grafana-dashboard.json"))
        let dashboard = try JSONDecoder().decode(Dashboard.self, from: data)
        let panels = dashboard.panels.filter { $0.type != "row" }
        #expect(panels.allSatisfy { !($0.targets ?? []).isEmpty })
        #expect(Set(dashboard.panels.map(\.id)).count == dashboard.panels.count)
        let rules = panels.flatMap { $0.targets ?? [] }.enumerated().map { number, target in
            // The variables of Grafana.
            let expression = target.expr.replacing("$__rate_interval", with: "5m").replacing("$instance", with: ".*")
            return "  - record: panel:number\(number)\n    expr: |-\n      \(expression)\n"
        }
        let outcome = try await promtool(
            "check", "rules", file: "groups:\n- name: dashboard\n  rules:\n" + rules.joined())
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
    }

    private struct Dashboard: Decodable {
        struct Panel: Decodable {
            struct AdminEndpoint: Decodable {
                let expr: String
            }

            let id: Int
            let type: String
            let targets: [AdminEndpoint]?
        }

        let panels: [Panel]
    }
}
