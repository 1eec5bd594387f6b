import Foundation
import Synchronization

/// A real authoritative server: knotd on a free loopback port, in a directory of its own.
///
/// Concurrency: any task may use it; waiting for knotd blocks on its log, never on a clock.
/// Fails by: `KnotServer.StartError` with knotd's own words.
final class KnotServer: Sendable {
    struct StartError: Error, CustomStringConvertible {
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

    /// How knotd proves that something is not there.
    enum Signing: String, CaseIterable {
        case nsec = "off"
        case nsec3 = "on"
    }

    /// The DS records of the zones it signs, in text.
    let delegationSigners: [String: [String]]

    /// Serves `zones`, name → zone file without `$ORIGIN`, and signs those in `signing`; a line `@DS name` in a zone stands
    /// for the DS records of another. Another port is taken when the free one was lost to a neighbour.
    convenience init(
        zones: [String: String], signing: [String: Signing] = [:], host: String = "127.0.0.1"
    ) throws {
        var reason: any Error = StartError(description: "no port")
        for _ in 0..<5 {
            do {
                try self.init(zones: zones, signing: signing, host: host, port: freePort(host))
                return
            } catch {
                reason = error
            }
        }
        throw reason
    }

    init(
        zones: [String: String], signing: [String: Signing] = [:], host: String = "127.0.0.1", port: UInt16
    ) throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("knot-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try Self.configuration(zones.keys.sorted(), signing: signing, host: host, port: port, directory: directory.path)
            .write(to: directory.appendingPathComponent("knot.conf"), atomically: false, encoding: .utf8)
        var signers: [String: [String]] = [:]
        for zone in signing.keys {
            try Self.keymgr(
                zone, arguments: "generate", "algorithm=ECDSAP256SHA256", "ksk=yes", "zsk=yes", in: directory)
            signers[zone] = try Self.keymgr(zone, arguments: "ds", in: directory).split(separator: "\n").map(
                String.init)
        }
        delegationSigners = signers
        for (zone, text) in zones { try Self.write(zone, text: Self.filled(text, signers: signers), in: directory) }

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
            throw StartError(description: "knotd did not start on \(host)@\(port)")
        }
        self.host = host
        self.port = port
        self.directory = directory
        self.process = Mutex(running)
    }

    deinit { stop() }

    /// Replaces a zone and returns once knotd serves it. The new SOA needs a higher serial.
    func replace(_ zone: String, with text: String) throws {
        try Self.write(zone, text: Self.filled(text, signers: delegationSigners), in: directory)
        try process.withLock { running in
            kill(running.process.processIdentifier, SIGHUP)
            guard running.waitForLine(holding: "[\(zone == "." ? "" : zone).] loaded") != nil
            else { throw StartError(description: "knotd ended instead of loading \(zone)") }
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

    private static func write(_ zone: String, text: String, in directory: URL) throws {
        let text = "$ORIGIN \(zone == "." ? "" : zone).\n" + text + "\n"
        try text.write(to: directory.appendingPathComponent("\(zone).zone"), atomically: false, encoding: .utf8)
    }

    private static func filled(_ text: String, signers: [String: [String]]) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line in
            line.hasPrefix("@DS ") ? signers[String(line.dropFirst(4)), default: []] : [String(line)]
        }.joined(separator: "\n")
    }

    /// Runs knot's key manager on this server's own keys, and returns what it prints.
    @discardableResult
    private static func keymgr(_ zone: String, arguments: String..., in directory: URL) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/sbin/keymgr")
        process.arguments = ["-c", directory.appendingPathComponent("knot.conf").path, zone] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        try? pipe.fileHandleForReading.close()
        guard process.terminationStatus == 0 else { throw StartError(description: "keymgr: \(output)") }
        return output
    }

    private static func configuration(
        _ zones: [String], signing: [String: Signing], host: String, port: UInt16, directory path: String
    ) -> String {
        let zones = zones.map { zone in
            "  - domain: \(zone)\n    file: \(path)/\(zone).zone\n    journal-content: none\n    zonefile-sync: -1\n"
                + (signing[zone].map { "    dnssec-signing: on\n    dnssec-policy: \($0)\n" } ?? "")
        }
        let policies = Signing.allCases.map {
            "  - id: \($0)\n    manual: on\n    single-type-signing: on\n    algorithm: ECDSAP256SHA256\n"
                + "    nsec3: \($0.rawValue)\n    dnskey-ttl: 300\n"
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
            policy:
            \(policies.joined())
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
    throw KnotServer.StartError(description: "no free port on \(host)")
}
