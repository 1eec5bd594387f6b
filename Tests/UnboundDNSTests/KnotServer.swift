import Foundation
import Synchronization

/// A real authoritative server: knotd on a free loopback port, in a directory of its own.
///
/// Concurrency: any task may use it; waiting for knotd blocks on its log, never on a clock.
/// Fails by: `KnotServer.Failed` with knotd's own words.
final class KnotServer: Sendable {
    struct Failed: Error, CustomStringConvertible {
        let description: String
    }

    let host: String
    let port: UInt16
    private let directory: URL
    private let process: Mutex<Running>

    /// Process and its log; behind the mutex because Foundation's classes are not Sendable.
    private struct Running {
        let process: Process
        let log: FileHandle
        var unread = ""

        /// Reads on until a line holds `text`; `nil` when knotd ends before.
        mutating func waitForLine(holding text: String) -> String? {
            while true {
                while let end = unread.firstIndex(of: "\n") {
                    let line = String(unread[..<end])
                    unread = String(unread[unread.index(after: end)...])
                    if line.contains(text) { return line }
                }
                let data = log.availableData
                guard !data.isEmpty else { return nil }
                unread += String(decoding: data, as: UTF8.self)
            }
        }
    }

    /// Serves `zones`, name → zone file without `$ORIGIN`. Another port is taken when the free one was lost to a neighbour.
    convenience init(zones: [String: String], host: String = "127.0.0.1") throws {
        var reason: any Error = Failed(description: "no port")
        for _ in 0..<5 {
            do {
                try self.init(zones: zones, host: host, port: freePort(host))
                return
            } catch {
                reason = error
            }
        }
        throw reason
    }

    init(zones: [String: String], host: String = "127.0.0.1", port: UInt16) throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("knot-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        for (zone, text) in zones { try Self.write(zone, text, in: directory) }
        try Self.configuration(zones.keys.sorted(), host, port, directory.path)
            .write(to: directory.appendingPathComponent("knot.conf"), atomically: false, encoding: .utf8)

        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/sbin/knotd")
        process.arguments = ["-c", directory.appendingPathComponent("knot.conf").path]
        let pipe = Pipe()
        process.standardError = pipe
        process.standardOutput = pipe
        try process.run()
        var running = Running(process: process, log: pipe.fileHandleForReading)
        guard running.waitForLine(holding: "server started") != nil else {
            process.waitUntilExit()
            try? FileManager.default.removeItem(at: directory)
            throw Failed(description: "knotd did not start on \(host)@\(port)")
        }
        self.host = host
        self.port = port
        self.directory = directory
        self.process = Mutex(running)
    }

    deinit { stop() }

    /// Replaces a zone and returns once knotd serves it. The new SOA needs a higher serial.
    func replace(_ zone: String, with text: String) throws {
        try Self.write(zone, text, in: directory)
        try process.withLock { running in
            kill(running.process.processIdentifier, SIGHUP)
            guard running.waitForLine(holding: "[\(zone).] loaded") != nil
            else { throw Failed(description: "knotd ended instead of loading \(zone)") }
        }
    }

    /// Ends this knotd, by its id, and waits for its end.
    func stop() {
        process.withLock { running in
            if running.process.isRunning { running.process.terminate() }
            running.process.waitUntilExit()
            try? running.log.close()
        }
        try? FileManager.default.removeItem(at: directory)
    }

    private static func write(_ zone: String, _ text: String, in directory: URL) throws {
        let text = "$ORIGIN \(zone).\n" + text + "\n"
        try text.write(to: directory.appendingPathComponent("\(zone).zone"), atomically: false, encoding: .utf8)
    }

    private static func configuration(_ zones: [String], _ host: String, _ port: UInt16, _ path: String) -> String {
        let zones = zones.map {
            "  - domain: \($0)\n    file: \(path)/\($0).zone\n    journal-content: none\n    zonefile-sync: -1\n"
        }
        return """
            server:
                rundir: \(path)
                listen: \(host)@\(port)
                udp-workers: 1
                tcp-workers: 1
                background-workers: 1
            database:
                storage: \(path)
            log:
              - target: stderr
                any: info
            zone:
            \(zones.joined())
            """
    }
}

/// A port that is free for UDP and TCP at this moment.
func freePort(_ host: String) throws -> UInt16 {
    for _ in 0..<50 {
        let datagrams = try LoopbackSocket(host, port: 0, type: LoopbackSocket.datagram)
        defer { datagrams.close() }
        guard let stream = try? LoopbackSocket(host, port: datagrams.port, type: LoopbackSocket.stream) else {
            continue
        }
        stream.close()
        return datagrams.port
    }
    throw KnotServer.Failed(description: "no free port on \(host)")
}
