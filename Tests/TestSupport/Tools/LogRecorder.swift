import Logging
import Synchronization

/// Keeps what was logged, for tests that read the log.
package final class LogRecorder: Sendable {
    package struct Entry: Sendable {
        package let level: Logger.Level
        package let message: String
        package let facts: [String: String]
    }

    private struct State {
        var entries: [Entry] = []
        var watchers: [(message: String, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    package init() {}

    package var entries: [Entry] { state.withLock(\.entries) }
    package var messages: [String] { entries.map(\.message) }

    package func logger(level: Logger.Level = .debug) -> Logger {
        Logger(label: "test") { _ in Handler(recorder: self, logLevel: level) }
    }

    /// Returns when `message` has been logged.
    package func appearance(of message: String) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                let isThere = state.entries.contains { $0.message == message }
                if !isThere { state.watchers.append((message, continuation)) }
                return isThere
            }
            if isThere { continuation.resume() }
        }
    }

    private func keep(_ entry: Entry) {
        let due = state.withLock { state in
            state.entries.append(entry)
            defer { state.watchers.removeAll { $0.message == entry.message } }
            return state.watchers.filter { $0.message == entry.message }
        }
        for watcher in due { watcher.continuation.resume() }
    }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var logLevel: Logger.Level
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let facts = metadata.merging(event.metadata ?? [:]) { _, new in new }.mapValues { "\($0)" }
            recorder.keep(Entry(level: event.level, message: "\(event.message)", facts: facts))
        }
    }
}
