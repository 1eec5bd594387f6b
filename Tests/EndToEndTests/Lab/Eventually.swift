import Foundation

/// A condition did not come true in time; the text says which and what was seen instead.
struct LabFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// The one way in which the laboratory waits: asks until there is an answer, and never longer than the deadline.
///
/// - Parameters:
///   - what: the condition in words, for the error.
///   - deadline: only ever reached by a failing test, so it may be generous.
///   - attempt: gives nil for "not yet".
nonisolated(nonsending) func eventually<Value>(
    _ what: String, within deadline: Duration = .seconds(20),
    _ attempt: nonisolated(nonsending) () async throws -> Value?
) async throws -> Value {
    let clock = ContinuousClock()
    let end = clock.now + deadline
    while true {
        if let value = try await attempt() { return value }
        if clock.now >= end { throw LabFailure("not within \(deadline): \(what)") }
        try await clock.sleep(for: .milliseconds(10))
    }
}

/// The opposite: a condition that must hold at every look during a span of time.
nonisolated(nonsending) func throughout(
    _ span: Duration, _ check: nonisolated(nonsending) () async throws -> Void
) async throws {
    let clock = ContinuousClock()
    let end = clock.now + span
    while clock.now < end {
        try await check()
        try await clock.sleep(for: .milliseconds(50))
    }
}

/// A file that grows while we read it: the log of a daemon.
struct LogFile: Sendable {
    let path: String

    /// Where the file ends now; what is read "from" here was written later.
    var end: Int {
        (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    }

    func text(from offset: Int = 0) -> String {
        guard let data = FileManager.default.contents(atPath: path), data.count > offset else { return "" }
        return String(decoding: data.dropFirst(offset), as: UTF8.self)
    }

    /// Complete lines only: a half-written one is not there yet.
    func lines(from offset: Int = 0) -> [String] {
        var lines = text(from: offset).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        _ = lines.popLast()
        return lines
    }
}
