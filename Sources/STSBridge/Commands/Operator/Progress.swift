import Glibc
import Synchronization

/// Tells on standard error how far something is, once it takes longer than a second: on a terminal in one line that is
/// renewed, elsewhere a line every ten seconds.
///
/// Concurrency: `step` from any task.
final class Progress: Sendable {
    private let text: @Sendable (Int) -> String
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let steps = Atomic(0)
    private let hasTold = Atomic(false)

    /// - Parameter text: how far it is, after so many steps.
    init(_ text: @escaping @Sendable (Int) -> String) {
        self.text = text
    }

    func step() {
        steps.add(1, ordering: .relaxed)
    }

    func during<Result: Sendable>(_ work: () async throws -> Result) async throws -> Result {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                while (try? await Task.sleep(for: .seconds(isTerminal ? 1 : 10))) != nil { tell() }
            }
            defer {
                group.cancelAll()
                clear()
            }
            return try await work()
        }
    }

    /// Before a line on standard output, which may be the same terminal.
    func clear() {
        if isTerminal, hasTold.load(ordering: .relaxed) { write(Self.emptyLine) }
    }

    private func tell() {
        hasTold.store(true, ordering: .relaxed)
        let text = text(steps.load(ordering: .relaxed))
        write(isTerminal ? Self.emptyLine + text : text + "\n")
    }

    /// To the line's beginning, and erase it (ECMA-48).
    private static let emptyLine = "\r\u{1B}[K"

    private func write(_ text: String) {
        let octets = Array(text.utf8)
        _ = octets.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
