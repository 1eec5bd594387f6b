import Foundation
import Testing

@testable import Monitoring

/// The table keeps to the conventions of Prometheus and of this project, and README says the same.
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

    @Test func `README's table has every metric with its type, labels and meaning, and no other`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        let documented = readme.split(separator: "\n").filter { $0.hasPrefix("| `sts_bridge_") }.map { line in
            line.split(separator: "|").map { $0.replacing("`", with: "").trimmingCharacters(in: .whitespaces) }
        }
        let real = MetricTable.all.map {
            [$0.name, $0.kind.word, $0.labels.joined(separator: ", "), String($0.help.dropLast())]
        }
        #expect(documented == real)
    }
}
