import Foundation
import TestSupport
import Testing

/// Documentation/logs.md against the code; what is really written goes past it in the end-to-end tests.
@Suite struct LogContractTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// A call of a logger in the sources.
    private struct Call {
        let file: String
        /// `nil`: it depends.
        let level: String?
        let message: String
        /// Names of fields that stand in the call itself.
        let fields: Set<String>
    }

    @Test func `the page has every message of the code with its level, and no other`() throws {
        let contract = try LogContract(root: Self.root)
        let calls = try Self.calls()
        try #require(calls.count > 30)
        #expect(Set(calls.map(\.message)).symmetricDifference(contract.lines.keys).sorted() == [])
        for call in calls {
            let line = try #require(contract.lines[call.message], "\(call.file): \(call.message)")
            if let level = call.level { #expect(line.levels.contains(level), "\(call.message)") }
            #expect(call.fields.subtracting(line.fields) == [], "\(call.message)")
        }
    }

    @Test func `messages are constants`() throws {
        #expect(try Self.calls().filter { $0.message.contains(#"\("#) }.map(\.message) == [])
    }

    @Test func `each line about a domain has an origin`() throws {
        for (message, line) in try LogContract(root: Self.root).lines where line.fields.contains("domain") {
            #expect(line.fields.contains("origin"), "\(message)")
        }
    }

    /// Every call of something named `logger` in Sources.
    private static func calls() throws -> [Call] {
        let sources = root.appending(path: "Sources")
        let files = FileManager.default.enumerator(atPath: sources.path)?.compactMap { $0 as? String } ?? []
        return try files.filter { $0.hasSuffix(".swift") }.flatMap { file in
            let text = try String(contentsOf: sources.appending(path: file), encoding: .utf8)
            let calls = text.matches(of: /[lL]ogger\.(trace|debug|info|notice|warning|error|critical|log)\(/).map {
                call(file, level: $0.1 == "log" ? nil : String($0.1), inside(text[$0.range.upperBound...]))
            }
            // The log's own line about itself goes through no logger.
            let lines = text.matches(of: /\bLogLine\(\s*time: .*?, level: \.([a-z]+), message: "/).map {
                call(file, level: String($0.1), "\"" + inside(text[$0.range.upperBound...]))
            }
            return calls + lines
        }
    }

    private static func call(_ file: String, level: String?, _ arguments: String) -> Call {
        let message = arguments.firstMatch(of: /"((?:[^"\\]|\\.)*)"/).map { String($0.1) }
        let fields = arguments.matches(of: /"([a-z-]+)":/).map { String($0.1) }
        return Call(file: file, level: level, message: message ?? "no message", fields: Set(fields))
    }

    /// Up to the parenthesis that closes.
    private static func inside(_ text: Substring) -> String {
        var depth = 1
        return String(
            text.prefix { character in
                if character == "(" { depth += 1 }
                if character == ")" { depth -= 1 }
                return depth > 0
            })
    }
}
