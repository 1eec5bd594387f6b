import Foundation
import Testing

/// Compares README.md, Documentation and the files in postfix with the command and with Postfix.
@Suite(.timeLimit(.minutes(5))) struct DocumentationTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// README.md and the pages in Documentation, one after another.
    private static func documents() throws -> String {
        let directory = root.appending(path: "Documentation")
        let names = FileManager.default.enumerator(atPath: directory.path)?.compactMap { $0 as? String } ?? []
        let pages = names.filter { $0.hasSuffix(".md") }.sorted().map { directory.appending(path: $0) }
        return try ([root.appending(path: "README.md")] + pages).map { page in
            try String(contentsOf: page, encoding: .utf8)
        }.joined(separator: "\n")
    }

    @Test func `the table in configuration.md has every key with its default, and no other`() async throws {
        let page = try String(
            contentsOf: Self.root.appending(path: "Documentation/configuration.md"), encoding: .utf8)
        var documented: [String: String] = [:]
        for line in page.split(separator: "\n") {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 3, cells[0].contains("."), cells[0].hasPrefix("`") else { continue }
            documented[cells[0].trimmingCharacters(in: ["`"])] = cells[1].trimmingCharacters(in: ["`"])
        }
        let printed = try await Binary.run(["config", "print"]).output
        var section = ""
        var real: [String: String] = [:]
        for line in printed.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            if line.hasPrefix("  ") {
                // YAML needs the quotes in lists; the table omits them.
                let isList = parts[1].hasPrefix("[")
                real["\(section).\(parts[0])"] = isList ? parts[1].replacing("\"", with: "") : parts[1]
            } else {
                section = parts[0]
            }
        }
        #expect(documented == real)
    }

    @Test(arguments: ["main.cf-3.4-to-3.9", "main.cf-3.10-and-later"])
    func `Postfix reads the files in postfix without a warning`(name: String) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "sts-postfix-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let snippet = Self.root.appending(path: "postfix/\(name)")
        try FileManager.default.copyItem(at: snippet, to: directory.appending(path: "main.cf"))
        try Data().write(to: directory.appending(path: "master.cf"))
        let outcome = try await Binary.run("/usr/sbin/postconf", arguments: ["-c", directory.path, "-n"])
        #expect(outcome.status == 0)
        #expect(
            outcome.output.contains("smtp_tls_policy_maps = inline:{ { override.example = encrypt } } socketmap:inet:"))
        // Debian's Postfix 3.7 does not know the parameters of later versions.
        let foreign = outcome.errors.split(separator: "\n").filter { !$0.contains("smtp_tls_enforce_sts_mx_patterns") }
        #expect(foreign == [])
    }

    // MARK: Configurations to copy from

    /// The lines with a key or a section that is commented out. In text, a space follows the `#`.
    private static func commented(_ text: String) -> [Int] {
        text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
            .filter { $0.element.contains(/^ *#[a-z][a-z-]*:( |$)/) }.map(\.offset)
    }

    /// Groups adjacent lines into blocks.
    private static func blocks(_ lines: [Int]) -> [[Int]] {
        lines.reduce(into: []) { blocks, line in
            if let last = blocks.last?.last, last == line - 1 {
                blocks[blocks.count - 1].append(line)
            } else {
                blocks.append([line])
            }
        }
    }

    private static func uncommented(_ text: String, lines: some Sequence<Int>) -> String {
        var all = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        for line in lines { all[line] = all[line].replacing("#", with: "", maxReplacements: 1) }
        return all.joined(separator: "\n")
    }

    private func check(_ yaml: String) async throws -> Binary.Outcome {
        // Independent of the Postfix on this host.
        try await Binary.run(["config", "check"], yaml: yaml, environment: ["STS_BRIDGE_POSTFIX_DANE": "off"]).outcome
    }

    @Test(arguments: ["debian/config.yaml", "the example"])
    func `each commented key is valid, alone, with its block and with all others`(
        name: String
    ) async throws {
        let text =
            name == "the example"
            ? try await Binary.run(["documentation", "example"]).output
            : try String(contentsOf: Self.root.appending(path: name), encoding: .utf8)
        let lines = Self.commented(text)
        #expect(lines.count >= 2)
        // No other text follows a `#` without a space: it would be a part of a skipped key.
        #expect(lines.count == text.matches(of: /(?m)^ *#[^ #\n]/).count)
        for block in Set(Self.blocks(lines) + lines.map { [$0] } + [[], lines]) {
            let outcome = try await check(Self.uncommented(text, lines: block))
            #expect(outcome.status == 0, "\(block): \(outcome.errors)")
        }
        // All keys are set, so no line was skipped.
        let all = try await Binary.run(["config", "print"], yaml: Self.uncommented(text, lines: lines)).outcome.output
        let keys = lines.map { line in
            text.split(separator: "\n", omittingEmptySubsequences: false)[line].replacing(/^ *#/, with: "  ")
        }
        for key in keys { #expect(all.contains(key.replacing(/: .*/, with: ":")), "\(key)") }
    }

    @Test func `each configuration in the documents is valid, alone and in the package's file`()
        async throws
    {
        let sections = Set(
            try await Binary.run(["config", "print"]).output.split(separator: "\n").filter { !$0.hasPrefix(" ") })
        let package = try String(contentsOf: Self.root.appending(path: "debian/config.yaml"), encoding: .utf8)
        let blocks = Self.configurations(in: try Self.documents(), sections: sections)
        #expect(blocks.count >= 2)
        // No key is commented out. Such a key would need a test with and without it.
        #expect(blocks.flatMap(Self.commented) == [])
        for block in blocks.flatMap(Self.parts) {
            let outcome = try await check(block)
            #expect(outcome.status == 0, "\(block): \(outcome.errors)")
            // As the documents describe, the keys go into the existing section.
            let (section, keys) = (block.prefix { $0 != "\n" }, block.drop { $0 != "\n" })
            let merged =
                package.contains("\n\(section)\n")
                ? package.replacing("\n\(section)\n", with: "\n\(section)\(keys)\n") : package + block
            let inPackage = try await check(merged)
            #expect(inPackage.status == 0, "\(merged): \(inPackage.errors)")
        }
    }

    /// The configurations of a Markdown text: lines that are indented by four, from a section on.
    private static func configurations(in text: String, sections: Set<Substring>) -> [String] {
        text.matches(of: /\n((?:    [^\n]*\n)+)/).map { String($0.1).replacing("\n    ", with: "\n") }
            .map { String($0.dropFirst(4)) }
            .filter { block in sections.contains { block == $0 || block.hasPrefix($0 + "\n") } }
    }

    /// A whole section, and each of its keys alone.
    private static func parts(_ block: String) -> [String] {
        let lines = block.split(separator: "\n")
        return [block] + lines.dropFirst().map { "\(lines[0])\n\($0)\n" }
    }

    @Test func `each setting in the sentences of the documents is valid`() async throws {
        let settings = Set(
            try Self.documents().matches(of: /`([a-z]+)\.([a-z-]+): ([^`]+)`/).map { "\($0.1):\n  \($0.2): \($0.3)\n" })
        #expect(settings.count >= 6)
        for setting in settings {
            let outcome = try await check(setting)
            #expect(outcome.status == 0, "\(setting): \(outcome.errors)")
        }
    }

    /// The lines for config.yaml in Doctor's sources. `/x` replaces an interpolated path or name.
    private static func proposedLines() throws -> Set<String> {
        let directory = root.appending(path: "Sources/Host/Doctor/Checks")
        var lines: Set<String> = []
        for name in try FileManager.default.contentsOfDirectory(atPath: directory.path) {
            let text = try String(contentsOf: directory.appending(path: name), encoding: .utf8)
            for match in text.matches(of: /\.configuration,\s*line:\s*"((?:[^"\\]|\\.)*)"/) {
                let filledIn = String(match.1).replacing(/\\\([^)]*\)/, with: "/x")
                lines.insert(filledIn.replacing("\\\"", with: "\""))
            }
        }
        return lines
    }

    @Test func `each line for config.yaml that the doctor proposes is valid`() async throws {
        let lines = try Self.proposedLines()
        #expect(lines.count >= 8)
        for line in lines {
            let outcome = try await Binary.run(["config", "print"], yaml: line).outcome
            #expect(outcome.status == 0, "\(line): \(outcome.errors)")
        }
    }

    @Test func `the compose file warns of an open relay next to the networks`() throws {
        let compose = try String(contentsOf: Self.root.appending(path: "docker-compose.yml"), encoding: .utf8)
        let lines = compose.split(separator: "\n")
        let networks = try #require(lines.firstIndex { $0.contains("POSTFIX_NETWORKS:") })
        #expect(lines[..<networks].reversed().prefix { $0.contains("#") }.contains { $0.contains("open relay") })
    }
}
