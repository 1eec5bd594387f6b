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
}
