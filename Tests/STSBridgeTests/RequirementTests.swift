import Foundation
import Testing

/// Documentation/requirements.md against the names of the tests.
@Suite struct RequirementTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Lists of ids, not tests.
    private static let lists: Set = ["CorpusCoverageTests.swift", "RequirementTests.swift"]

    private struct Requirement {
        let id: String
        /// Nil: there is a test.
        let reason: String?
    }

    @Test func `each requirement has a test or a reason, and none has both`() throws {
        let requirements = try Self.requirements()
        try #require(requirements.count > 200)
        #expect(Set(requirements.map(\.id)).count == requirements.count)
        let tested = try Self.tested()
        let missing = requirements.filter { $0.reason == nil && !tested.contains($0.id) }
        #expect(missing.map(\.id) == [])
        let both = requirements.filter { $0.reason != nil && tested.contains($0.id) }
        #expect(both.map(\.id) == [])
        #expect(requirements.allSatisfy { $0.reason != "" })
    }

    @Test func `no test names a requirement that the page lacks`() throws {
        let known = Set(try Self.requirements().map(\.id))
        #expect(try Self.tested().subtracting(known).sorted() == [])
    }

    @Test(arguments: [
        ("func `STS-5-a, STS-5-e: a host`()", ["STS-5-a", "STS-5-e"]),
        ("(\"DANE-6698-4.1-a an unknown usage\", 1)", ["DANE-6698-4.1-a"]),
        ("a broken line [STS-3.2-aa D7 pitfall-3]", ["STS-3.2-aa", "D7"]),
        ("    /// STS-5-a is for Postfix.", []),
        ("let format = \"DANE-less\"", []),
    ])
    func `ids are read from names and labels, not from comments`(line: String, ids: [String]) {
        #expect(Self.ids(in: line) == ids)
    }

    private static func requirements() throws -> [Requirement] {
        let page = try String(contentsOf: root.appending(path: "Documentation/requirements.md"), encoding: .utf8)
        return page.split(separator: "\n").compactMap { row in
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard row.hasPrefix("| "), cells.count > 1, ids(in: cells[0]) == [cells[0]] else { return nil }
            return Requirement(id: cells[0], reason: cells.count > 2 ? cells[2] : nil)
        }
    }

    private static func tested() throws -> Set<String> {
        let tests = root.appending(path: "Tests")
        let files = FileManager.default.enumerator(atPath: tests.path)?.compactMap { $0 as? String } ?? []
        let named = files.filter { file in
            let name = (file as NSString).lastPathComponent
            return !lists.contains(name) && (name.hasSuffix(".swift") || name.hasSuffix(".txt"))
        }
        return try named.reduce(into: []) { found, file in
            let text = try String(contentsOf: tests.appending(path: file), encoding: .utf8)
            for line in text.split(whereSeparator: \.isNewline) { found.formUnion(ids(in: String(line))) }
        }
    }

    private static func ids(in line: String) -> [String] {
        if line.drop(while: \.isWhitespace).hasPrefix("//") { return [] }
        let id = /(?:(?:STS|RPT|DANE|NAME)-(?:6698-)?[0-9A-Z][0-9.]*-[a-z]{1,2}|IDN-[a-z]|D[0-9]{1,2})\b/
        return line.matches(of: id).filter { match in
            // The end of another word is no id.
            match.range.lowerBound == line.startIndex
                || !(line[line.index(before: match.range.lowerBound)].isLetter
                    || line[line.index(before: match.range.lowerBound)].isNumber)
        }.map { String($0.output) }
    }
}
