import Foundation
import Testing

/// Documentation/requirements.md against the names of the tests.
@Suite struct RequirementTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

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

    @Test func `no test is disabled`() throws {
        for file in try Self.sources() { #expect(!Self.hasDisabledTest(file.text), "\(file.name)") }
    }

    @Test(arguments: [
        ("@Test func `STS-5-a, STS-5-e: a host`() {", ["STS-5-a", "STS-5-e"]),
        ("@Test\n    func\n        `STS-5-a a long name`()\n        throws", ["STS-5-a"]),
        (
            "@Test(arguments: [\n  // IDN-b\n  (\"DANE-6698-4.1-a an unknown usage\", 1),\n]) func a(",
            ["DANE-6698-4.1-a"]
        ),
        ("Pitfall(\n  47, \"STS-3.2-l: \\(no) version\", .policyInvalid, body: \"D7\")", ["STS-3.2-l"]),
        ("CertificateCase(\"NAME-6.3-b: A-labels\", name)", ["NAME-6.3-b"]),
        ("/// STS-5-a is for Postfix.\n@Test func a() {} // STS-5-b", []),
        ("@Test func a() {\n  Issue.record(\"STS-3.1-m\")\n  #expect(x, \"STS-3.1-l\")\n}", []),
        ("func `STS-5-a no test`() {}\nlet name = \"STS-5-b\"", []),
        ("@Test func `DANE-less`()", []),
    ])
    func `ids are read from names and labels of tests only`(source: String, ids: [String]) {
        #expect(Self.idsOfTests(in: source) == Set(ids))
    }

    @Test func `ids of fixtures are in brackets`() {
        #expect(
            Self.idsOfFixtures(in: "a broken line [STS-3.2-aa D7 pitfall-3]\n  mx STS-5-a") == ["STS-3.2-aa", "D7"])
    }

    @Test(arguments: [
        ("@Test(.disabled()) func a()", true), ("@Suite(.serialized, .disabled(\"slow\")) struct A", true),
        ("@Test(.enabled(if: false)) func a()", true), ("@Test(.enabled(if: geteuid() == 0)) func a()", false),
        ("// .disabled() would be wrong", false),
    ])
    func `a disabled test is found`(source: String, isDisabled: Bool) {
        #expect(Self.hasDisabledTest(source) == isDisabled)
    }

    private static func requirements() throws -> [Requirement] {
        let page = try String(contentsOf: root.appending(path: "Documentation/requirements.md"), encoding: .utf8)
        // The third column of the last table has reasons, that of the others has the files of the tests.
        let untested = try #require(page.firstRange(of: "\n## Without a test\n")).lowerBound
        return page.split(separator: "\n").compactMap { row in
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard row.hasPrefix("| "), cells.count > 1, ids(in: cells[0]) == [cells[0]] else { return nil }
            let reason = cells.count > 2 ? cells[2] : ""
            return Requirement(id: cells[0], reason: row.startIndex > untested ? reason : nil)
        }
    }

    private static func tested() throws -> Set<String> {
        let fixtures = try files(withExtension: "txt").reduce(into: Set()) { $0.formUnion(idsOfFixtures(in: $1.text)) }
        return try sources().reduce(into: fixtures) { $0.formUnion(idsOfTests(in: $1.text)) }
    }

    private static func sources() throws -> [(name: String, text: String)] {
        try files(withExtension: "swift").filter { file in !lists.contains { file.name.hasSuffix("/\($0)") } }
    }

    /// Of `Tests`; names are relative to it.
    private static func files(withExtension ending: String) throws -> [(name: String, text: String)] {
        let tests = root.appending(path: "Tests")
        let names = FileManager.default.enumerator(atPath: tests.path)?.compactMap { $0 as? String } ?? []
        return try names.filter { $0.hasSuffix(".\(ending)") }.map { name in
            (name, try String(contentsOf: tests.appending(path: name), encoding: .utf8))
        }
    }

    /// The ids in the names of `@Test` functions, in their arguments, and in the labels of `labelled`.
    private static func idsOfTests(in source: String) -> Set<String> {
        let code = withoutComments(source)
        // Nothing else is between the attribute and its function.
        let test = /@Test\b((?s:.)*?)\bfunc\s+(`[^`\n]*`|\w+)/
        let label = /\b(?:Pitfall|CertificateCase)\(\s*(?:\w+,\s*)?"((?:[^"\\\n]|\\.)*)"/
        let names = code.matches(of: test).flatMap { [$0.output.1, $0.output.2] }
        return Set((names + code.matches(of: label).map(\.output.1)).flatMap(ids))
    }

    private static func idsOfFixtures(in text: String) -> Set<String> {
        Set(text.matches(of: /\[([^\]\n]*)\]/).flatMap { ids(in: $0.output.1) })
    }

    private static func hasDisabledTest(_ source: String) -> Bool {
        withoutComments(source).contains(/\.disabled\b|\.enabled\(\s*if:\s*false\b/)
    }

    /// Removes comments, on their own lines or after code.
    private static func withoutComments(_ source: String) -> String {
        source.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.replacing(/(^|\s)\/\/.*/, with: "") }.joined(separator: "\n")
    }

    private static func ids(in text: some StringProtocol) -> [String] {
        let text = String(text)
        let id = /(?:(?:STS|RPT|DANE|NAME)-(?:6698-)?[0-9A-Z][0-9.]*-[a-z]{1,2}|IDN-[a-z]|D[0-9]{1,2})\b/
        return text.matches(of: id).filter { match in
            // The end of another word is not an id.
            match.range.lowerBound == text.startIndex
                || !(text[text.index(before: match.range.lowerBound)].isLetter
                    || text[text.index(before: match.range.lowerBound)].isNumber)
        }.map { String($0.output) }
    }
}
