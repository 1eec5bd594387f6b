import Glibc
import Synchronization

/// Reports progress on standard error: on a terminal each second, in one line that it overwrites; elsewhere a line every ten
/// seconds.
///
/// Concurrency: `step` from any task.
final class Progress: Sendable {
    private let text: @Sendable (Int) -> String
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let steps = Atomic(0)
    private let hasReported = Atomic(false)

    /// - Parameter text: returns the report for a number of steps.
    init(_ text: @escaping @Sendable (Int) -> String) {
        self.text = text
    }

    func step() {
        steps.add(1, ordering: .relaxed)
    }

    func during<Result: Sendable>(_ work: () async throws -> Result) async throws -> Result {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                while (try? await Task.sleep(for: .seconds(isTerminal ? 1 : 10))) != nil { report() }
            }
            defer {
                group.cancelAll()
                clear()
            }
            return try await work()
        }
    }

    /// Erases the report. Call it before a line on standard output, which may be the same terminal.
    func clear() {
        if isTerminal, hasReported.load(ordering: .relaxed) { write(Self.emptyLine) }
    }

    private func report() {
        hasReported.store(true, ordering: .relaxed)
        let text = text(steps.load(ordering: .relaxed))
        write(isTerminal ? Self.emptyLine + text : text + "\n")
    }

    /// Returns to the beginning of the line and erases it (ECMA-48).
    private static let emptyLine = "\r\u{1B}[K"

    private func write(_ text: String) {
        let octets = Array(text.utf8)
        _ = octets.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
