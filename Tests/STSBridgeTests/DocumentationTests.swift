import Foundation
import Testing

/// What README and postfix/ say is what the command and Postfix do.
@Suite(.timeLimit(.minutes(5))) struct DocumentationTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    @Test func `README's table has every key with its default, and no other`() async throws {
        let readme = try String(contentsOf: Self.root.appending(path: "README.md"), encoding: .utf8)
        var documented: [String: String] = [:]
        for line in readme.split(separator: "\n") {
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
                // Quotes inside of lists are YAML's need, not the reader's.
                let isList = parts[1].hasPrefix("[")
                real["\(section).\(parts[0])"] = isList ? parts[1].replacing("\"", with: "") : parts[1]
            } else {
                section = parts[0]
            }
        }
        #expect(documented == real)
    }

    @Test(arguments: ["main.cf-3.4-to-3.9", "main.cf-3.10-and-later"])
    func `Postfix reads the files in postfix without a complaint of its own version`(name: String) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "sts-postfix-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let snippet = Self.root.appending(path: "postfix/\(name)")
        try FileManager.default.copyItem(at: snippet, to: directory.appending(path: "main.cf"))
        try Data().write(to: directory.appending(path: "master.cf"))
        let outcome = try await Binary.run("/usr/sbin/postconf", ["-c", directory.path, "-n"])
        #expect(outcome.status == 0)
        #expect(
            outcome.output.contains("smtp_tls_policy_maps = inline:{ { override.example = encrypt } } socketmap:inet:"))
        // Debian's 3.7 does not know what only later versions have.
        let foreign = outcome.errors.split(separator: "\n").filter { !$0.contains("smtp_tls_enforce_sts_mx_patterns") }
        #expect(foreign == [])
    }

    // MARK: Configurations to copy from

    /// Lines of a file that are a key, or a section, behind `#`. Text has a blank there.
    private static func commented(_ text: String) -> [Int] {
        text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
            .filter { $0.element.contains(/^ *#[a-z][a-z-]*:( |$)/) }.map(\.offset)
    }

    /// Neighbours are one block.
    private static func blocks(_ lines: [Int]) -> [[Int]] {
        lines.reduce(into: []) { blocks, line in
            if let last = blocks.last?.last, last == line - 1 {
                blocks[blocks.count - 1].append(line)
            } else {
                blocks.append([line])
            }
        }
    }

    private static func uncommented(_ text: String, _ lines: some Sequence<Int>) -> String {
        var all = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        for line in lines { all[line] = all[line].replacing("#", with: "", maxReplacements: 1) }
        return all.joined(separator: "\n")
    }

    private func check(_ yaml: String) async throws -> Binary.Outcome {
        // Whatever Postfix is on this host.
        try await Binary.run(["config", "check"], yaml: yaml, environment: ["STS_BRIDGE_POSTFIX_DANE": "off"]).outcome
    }

    @Test(arguments: ["debian/config.yaml", "the example"])
    func `what is commented out can be used, key by key, block by block and all together`(
        name: String
    ) async throws {
        let text =
            name == "the example"
            ? try await Binary.run(["documentation", "example"]).output
            : try String(contentsOf: Self.root.appending(path: name), encoding: .utf8)
        let lines = Self.commented(text)
        #expect(lines.count >= 2)
        // Nothing else stands right behind a `#`, which would be a part of a key that is left out here.
        #expect(lines.count == text.matches(of: /(?m)^ *#[^ #\n]/).count)
        for block in Set(Self.blocks(lines) + lines.map { [$0] } + [[], lines]) {
            let outcome = try await check(Self.uncommented(text, block))
            #expect(outcome.status == 0, "\(block): \(outcome.errors)")
        }
        // All of it is in force, so no line was left out.
        let all = try await Binary.run(["config", "print"], yaml: Self.uncommented(text, lines)).outcome.output
        let keys = lines.map { line in
            text.split(separator: "\n", omittingEmptySubsequences: false)[line].replacing(/^ *#/, with: "  ")
        }
        for key in keys { #expect(all.contains(key.replacing(/: .*/, with: ":")), "\(key)") }
    }

    @Test func `each configuration in README can be used, and in the package's file instead of what is there`()
        async throws
    {
        let sections = Set(
            try await Binary.run(["config", "print"]).output.split(separator: "\n").filter { !$0.hasPrefix(" ") })
        let package = try String(contentsOf: Self.root.appending(path: "debian/config.yaml"), encoding: .utf8)
        let readme = try String(contentsOf: Self.root.appending(path: "README.md"), encoding: .utf8)
        let blocks = Self.configurations(in: readme, sections: sections)
        #expect(blocks.count >= 2)
        // No key in them is commented out; one that is has to be tried both ways.
        #expect(blocks.flatMap(Self.commented) == [])
        for block in blocks.flatMap(Self.parts) {
            let outcome = try await check(block)
            #expect(outcome.status == 0, "\(block): \(outcome.errors)")
            // As README says: into the section that is there.
            let (section, keys) = (block.prefix { $0 != "\n" }, block.drop { $0 != "\n" })
            let merged =
                package.contains("\n\(section)\n")
                ? package.replacing("\n\(section)\n", with: "\n\(section)\(keys)\n") : package + block
            let inPackage = try await check(merged)
            #expect(inPackage.status == 0, "\(merged): \(inPackage.errors)")
        }
    }

    /// Of a Markdown text. Indented by four, from a section on; the text around is not indented.
    private static func configurations(in text: String, sections: Set<Substring>) -> [String] {
        text.matches(of: /\n((?:    [^\n]*\n)+)/).map { String($0.1).replacing("\n    ", with: "\n") }
            .map { String($0.dropFirst(4)) }
            .filter { block in sections.contains { block == $0 || block.hasPrefix($0 + "\n") } }
    }

    /// The whole of a section, and each of its keys without the others.
    private static func parts(_ block: String) -> [String] {
        let lines = block.split(separator: "\n")
        return [block] + lines.dropFirst().map { "\(lines[0])\n\($0)\n" }
    }

    @Test func `each setting in README's sentences can be used`() async throws {
        let readme = try String(contentsOf: Self.root.appending(path: "README.md"), encoding: .utf8)
        let settings = Set(
            readme.matches(of: /`([a-z]+)\.([a-z-]+): ([^`]+)`/).map { "\($0.1):\n  \($0.2): \($0.3)\n" })
        #expect(settings.count >= 6)
        for setting in settings {
            let outcome = try await check(setting)
            #expect(outcome.status == 0, "\(setting): \(outcome.errors)")
        }
    }

    /// The lines for config.yaml in Doctor's sources. What the code fills in, a path or a name, is `/x`.
    private static func proposedLines() throws -> Set<String> {
        let directory = root.appending(path: "Sources/Doctor/Checks")
        var lines: Set<String> = []
        for name in try FileManager.default.contentsOfDirectory(atPath: directory.path) {
            let text = try String(contentsOf: directory.appending(path: name), encoding: .utf8)
            for match in text.matches(of: /\.configuration,\s*"((?:[^"\\]|\\.)*)"/) {
                let filledIn = String(match.1).replacing(/\\\([^)]*\)/, with: "/x")
                lines.insert(filledIn.replacing("\\\"", with: "\""))
            }
        }
        return lines
    }

    @Test func `each line for config.yaml that the doctor proposes can be used`() async throws {
        let lines = try Self.proposedLines()
        #expect(lines.count >= 8)
        for line in lines {
            let outcome = try await Binary.run(["config", "print"], yaml: line).outcome
            #expect(outcome.status == 0, "\(line): \(outcome.errors)")
        }
    }

    @Test func `the compose file warns of an open relay where it sets the networks`() throws {
        let compose = try String(contentsOf: Self.root.appending(path: "docker-compose.yml"), encoding: .utf8)
        let lines = compose.split(separator: "\n")
        let networks = try #require(lines.firstIndex { $0.contains("POSTFIX_NETWORKS:") })
        #expect(lines[..<networks].reversed().prefix { $0.contains("#") }.contains { $0.contains("open relay") })
    }
}
