import Discovery
import CurlHTTPS
import Foundation
import Synchronization

/// The process that runs server.py: the silent policy hosts, and one that answers.
struct PolicyHosts {
    struct NotStartedError: Error, CustomStringConvertible {
        let description = "server.py did not start; it needs python3 and openssl"
    }

    let mode: String
    private let process = Process()
    private let end = Pipe()
    private let directory: URL
    private let port: UInt16

    /// - Parameter mode: `tcp` or `tls`, see server.py.
    init(mode: String) throws {
        self.mode = mode
        directory = FileManager.default.temporaryDirectory.appending(path: "silent-hosts-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "server.py").path
        process.arguments = ["python3", script, mode, directory.path]
        process.standardInput = end
        process.standardOutput = output
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let port = UInt16(line.trimmingCharacters(in: .newlines)) else {
            throw NotStartedError()
        }
        self.port = port
    }

    func fetcher(slots: Int) throws -> (CurlFetcher, FetchLoad) {
        let load = FetchLoad()
        let configuration = CurlFetcherConfiguration(
            trust: .file(directory.appending(path: "root.pem").path), maximumInFlight: slots, port: port)
        return (try CurlFetcher(configuration) { load.add($0) }, load)
    }

    func close() {
        try? end.fileHandleForWriting.close()
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: directory)
    }
}

/// How many fetches are in flight, and how many wait.
final class FetchLoad: Sendable {
    private let counts = Mutex((inFlight: 0, waiting: 0))

    func add(_ change: FetchLoadChange) {
        counts.withLock { counts in
            counts.inFlight += change.inFlight
            counts.waiting += change.waiting
        }
    }

    func withLock<Value>(_ body: ((inFlight: Int, waiting: Int)) -> Value) -> Value { body(counts.withLock { $0 }) }
}
