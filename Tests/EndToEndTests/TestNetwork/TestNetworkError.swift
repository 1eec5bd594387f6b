import Foundation

/// A part of the test network failed, or a condition did not become true in time.
struct TestNetworkError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Repeats `attempt` until it returns a value or the deadline expires. All waiting in these tests uses it.
///
/// - Parameters:
///   - condition: for the error message.
///   - deadline: only a failing test reaches it, so it can be long.
///   - attempt: returns `nil` for "not yet".
nonisolated(nonsending) func eventually<Value>(
    _ condition: String, within deadline: Duration = .seconds(20),
    perform attempt: nonisolated(nonsending) () async throws -> Value?
) async throws -> Value {
    let clock = ContinuousClock()
    let end = clock.now + deadline
    while true {
        if let value = try await attempt() { return value }
        if clock.now >= end { throw TestNetworkError("not within \(deadline): \(condition)") }
        try await clock.sleep(for: .milliseconds(10))
    }
}

/// Repeats `check` for a period of time. The condition must hold each time.
nonisolated(nonsending) func throughout(
    _ period: Duration, check: nonisolated(nonsending) () async throws -> Void
) async throws {
    let clock = ContinuousClock()
    let end = clock.now + period
    while clock.now < end {
        try await check()
        try await clock.sleep(for: .milliseconds(50))
    }
}

/// A file that grows while a test reads it.
struct LogFile: Sendable {
    let path: String

    /// The current size. A read from this offset returns later text only.
    var end: Int {
        (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    }

    func text(from offset: Int = 0) -> String {
        guard let data = FileManager.default.contents(atPath: path), data.count > offset else { return "" }
        return String(decoding: data.dropFirst(offset), as: UTF8.self)
    }

    /// Complete lines only; a line without its LF is not included.
    func lines(from offset: Int = 0) -> [String] {
        var lines = text(from: offset).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        _ = lines.popLast()
        return lines
    }
}
