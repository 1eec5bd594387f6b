import Foundation
import Testing

/// The generated manual pages, example configuration and table in configuration.md.
@Suite(.timeLimit(.minutes(5))) struct ManualTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private static let shell = ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "80"]

    private func page(_ name: String) async throws -> String {
        let outcome = try await Binary.run(["documentation", name])
        try #require(outcome.status == 0, "\(outcome.errors)")
        return outcome.output
    }

    /// Calls `body` with the path of a file that contains `text`.
    private func withFile<Result>(_ text: String, _ body: (String) async throws -> Result) async throws -> Result {
        let path = NSTemporaryDirectory() + "sts-manual-\(UUID().uuidString.prefix(8)).mdoc"
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await body(path)
    }

    @Test(arguments: ["man8", "yaml5"])
    func `two formatters report no warning for a page`(name: String) async throws {
        try await withFile(try await page(name)) { path in
            let lint = try await Binary.run("/usr/bin/mandoc", arguments: ["-Tlint", "-W", "warning", path])
            #expect(lint.output + lint.errors == "")
            let man = try await Binary.run(
                "/usr/bin/man", arguments: ["--warnings", "-l", path], environment: Self.shell)
            #expect(man.status == 0)
            #expect(man.errors == "")
            #expect(man.output.contains("NAME"))
        }
    }

    @Test func `sts-bridge(8) has every command with every option that --help has`() async throws {
        let text = try await withFile(try await page("man8")) { path in
            try await Binary.run("/usr/bin/mandoc", arguments: ["-Tascii", path]).output.replacing(/.\u{8}/, with: "")
        }
        let words = text.replacing(/\s+/, with: " ")
        for command in try await Self.commands() {
            #expect(words.contains("sts-bridge \(command.joined(separator: " ")) "), "\(command)")
            let help = try await Binary.run(command + ["--help"]).output
            for option in help.matches(of: /\n +(?:-[a-z], )?(--[a-z-]+)/).map({ String($0.1) }) {
                guard !["--help", "--version"].contains(option) else { continue }
                #expect(words.contains(option), "\(command) \(option)")
            }
        }
        for status in 0...4 { #expect(text.contains(try Regex("\n     \(status) ")), "exit status \(status)") }
    }

    /// The commands without subcommands, found through `--help`.
    private static func commands(below words: [String] = []) async throws -> [[String]] {
        let help = try await Binary.run(words + ["--help"]).output
        guard let list = help.firstRange(of: "SUBCOMMANDS:\n") else { return [words] }
        var found: [[String]] = []
        for match in help[list.upperBound...].matches(of: #/(?:^|\n)  ([a-z]+)(?: \(default\))?  /#) {
            found += try await commands(below: words + [String(match.1)])
        }
        return found
    }

    @Test func `--help fits 80 columns, including examples, and breaks prose only at the width`() async throws {
        for command in try await Self.commands() + [[], ["cache"], ["exempt"], ["pin"], ["config"]] {
            let help = try await Binary.run(command + ["--help"], environment: ["COLUMNS": "80"]).output
            let text = help.prefix(upTo: help.firstRange(of: "\nUSAGE:")?.lowerBound ?? help.endIndex)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            for (line, next) in zip(lines, lines.dropFirst()) {
                #expect(line.count <= 80, "\(command): \(line)")
                // Another example or a sentence follows an example.
                if line.hasPrefix("  "), let first = next.first {
                    #expect(first == " " || first.isUppercase || "-*".contains(first), "\(command): \(next)")
                }
                // A line with enough space for the next word is the last of its paragraph.
                let word = next.prefix { $0 != " " }
                guard !word.isEmpty, !line.hasPrefix(" "), line.count + 1 + word.count < 80 else { continue }
                #expect(line.isEmpty || ".:)".contains(line.suffix(1)) || line.hasSuffix("by"), "\(command): \(line)")
            }
        }
    }

    @Test func `sts-bridge.yaml(5) has every key with its meaning, default and expected value`() async throws {
        let text = try await withFile(try await page("yaml5")) { path in
            try await Binary.run("/usr/bin/mandoc", arguments: ["-Tascii", path]).output.replacing(/.\u{8}/, with: "")
        }
        let words = text.replacing(/\s+/, with: " ")
        let printed = try await Binary.run(["config", "print", "--json"]).output
        let keys = try #require(try JSONSerialization.jsonObject(with: Data(printed.utf8)) as? [String: Any])
        #expect(keys.count > 25)
        for key in keys.keys { #expect(words.contains(" \(key) "), "\(key)") }
        #expect(words.matches(of: #/Default: /#).count == keys.count)
        #expect(words.matches(of: #/Expected: /#).count == keys.count)
    }

    @Test func `the example has every key and changes nothing`() async throws {
        let example = try await page("example")
        let defaults = try await Binary.run(["config", "print"]).output
        let asItIs = try await Binary.run(["config", "print"], yaml: example).outcome
        #expect(asItIs.status == 0, "\(asItIs.errors)")
        #expect(asItIs.output == defaults)
        // The commented keys have the defaults.
        let uncommented = example.replacing(/\n  #(?=[a-z])/, with: "\n  ")
        let outcome = try await Binary.run(["config", "print"], yaml: uncommented).outcome
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output == defaults)
        #expect(uncommented.matches(of: #/\n  [a-z-]+: /#).count == defaults.matches(of: #/\n  [a-z-]+: /#).count)
    }

    @Test func `the table in configuration.md is up to date`() async throws {
        let document = try String(
            contentsOf: Self.root.appending(path: "Documentation/configuration.md"), encoding: .utf8)
        #expect(document.contains("\n" + (try await page("keys"))), "replace it by: sts-bridge documentation keys")
    }

    @Test func `help and manual do not show the command that writes the pages`() async throws {
        #expect(!(try await Binary.run(["--help"]).output.contains("documentation")))
        #expect(!(try await page("man8").contains("documentation")))
    }
}
