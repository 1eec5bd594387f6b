import Foundation
import Testing

@testable import Monitoring

/// The table follows the conventions of Prometheus and of this project, and Documentation/monitoring.md has the same
/// metrics.
@Suite struct MetricTableTests {
    @Test func `names begin with sts_bridge_, are unique, and end in _total if and only if they count`() {
        let names = MetricTable.all.map(\.name)
        #expect(Set(names).count == names.count)
        for metric in MetricTable.all {
            #expect(metric.name.wholeMatch(of: /sts_bridge(_[a-z]+)+/) != nil, "\(metric.name)")
            #expect(metric.name.hasSuffix("_total") == (metric.kind == .counter), "\(metric.name)")
            #expect(metric.help.hasSuffix("."), "\(metric.name)")
        }
    }

    @Test func `labels are names, and none of them is for a domain`() {
        for metric in MetricTable.all {
            for label in metric.labels {
                #expect(label.wholeMatch(of: /[a-z_]+/) != nil, "\(metric.name) \(label)")
                #expect(!["le", "domain", "host", "key", "name", "mx"].contains(label), "\(metric.name) \(label)")
            }
        }
    }

    @Test func `buckets rise, and are given in seconds`() {
        for metric in MetricTable.all {
            guard case .histogram(let bounds) = metric.kind else { continue }
            #expect(metric.name.hasSuffix("_seconds"), "\(metric.name)")
            #expect(!bounds.isEmpty && bounds == bounds.sorted() && Set(bounds).count == bounds.count)
            #expect((bounds.last ?? .infinity).isFinite)
        }
    }

    @Test func `the table in monitoring.md has every metric with its type, labels and meaning, and no other`() throws {
        let page = try String(contentsOf: Self.root.appending(path: "Documentation/monitoring.md"), encoding: .utf8)
        let documented = page.split(separator: "\n").filter { $0.hasPrefix("| `sts_bridge_") }.map { line in
            line.split(separator: "|").map { $0.replacing("`", with: "").trimmingCharacters(in: .whitespaces) }
        }
        let real = MetricTable.all.map {
            [$0.name, $0.kind.typeName, $0.labels.joined(separator: ", "), String($0.help.dropLast())]
        }
        #expect(documented == real)
    }

    @Test func `each metric is declared here and used elsewhere`() throws {
        let names = Set(MetricTable.all.map(\.name))
        var literals: Set<String> = []
        for file in try Self.sources() where file.lastPathComponent != "MetricTable.swift" {
            let text = try String(contentsOf: file, encoding: .utf8)
            for match in text.matches(of: /"(?<name>[a-z]+(?:_[a-z]+)*)"/) { literals.insert(String(match.name)) }
        }
        let undeclared = literals.filter { $0.hasPrefix("sts_bridge_") && !names.contains($0) }
        #expect(undeclared == [])
        let unused = names.filter { !literals.contains($0) && !literals.contains(String($0.dropFirst(11))) }
        #expect(unused == [MetricTable.seriesDropped.name])
    }

    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static func sources() throws -> [URL] {
        let folder = root.appending(path: "Sources")
        let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
        return files.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
    }
}
