import Foundation
import Testing
import TestSupport

/// Documentation/logs.md against the code. The end-to-end tests compare it with real log lines.
@Suite struct LogContractTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// A call of a logger in the sources.
    private struct Call {
        let file: String
        /// `nil`: not constant.
        let level: String?
        let message: String
        /// The names of the fields in the call.
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

    /// Returns every call of a logger in Sources.
    private static func calls() throws -> [Call] {
        let sources = root.appending(path: "Sources")
        let files = FileManager.default.enumerator(atPath: sources.path)?.compactMap { $0 as? String } ?? []
        return try files.filter { $0.hasSuffix(".swift") }.flatMap { file in
            let text = try String(contentsOf: sources.appending(path: file), encoding: .utf8)
            let calls = text.matches(of: /[lL]ogger\.(trace|debug|info|notice|warning|error|critical|log)\(/).map {
                call(
                    in: file, level: $0.1 == "log" ? nil : String($0.1), arguments: inside(text[$0.range.upperBound...])
                )
            }
            // The line about dropped lines uses no logger.
            let lines = text.matches(of: /\bLogLine\(\s*time: .*?, level: \.([a-z]+), message: "/).map {
                call(in: file, level: String($0.1), arguments: "\"" + inside(text[$0.range.upperBound...]))
            }
            return calls + lines
        }
    }

    private static func call(in file: String, level: String?, arguments: String) -> Call {
        let message = arguments.firstMatch(of: /"((?:[^"\\]|\\.)*)"/).map { String($0.1) }
        let fields = arguments.matches(of: /"([a-z-]+)":/).map { String($0.1) }
        return Call(file: file, level: level, message: message ?? "no message", fields: Set(fields))
    }

    /// Returns the text up to the closing parenthesis.
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
