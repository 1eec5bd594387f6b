import Foundation
import Synchronization
import TestSupport

/// A service manager of the tests' own, which speaks as systemd does: holds listening sockets, passes them to the bridge by
/// LISTEN_FDS, and hears what it says over NOTIFY_SOCKET.
final class Supervisor: Sendable {
    private let directory: String
    private let notifications: Int32
    private let heardSoFar = Mutex<[String]>([])
    private var address: String { directory + "/notify" }

    init(in directory: String) throws {
        self.directory = directory
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        notifications = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let path = directory + "/notify"
        unlink(path)
        guard withUnixAddress(path, { bind(notifications, $0, $1) }) == 0 else {
            throw LabFailure("cannot bind \(path): \(String(cString: strerror(errno)))")
        }
    }

    deinit {
        close(notifications)
    }

    /// All datagrams until now.
    var heard: [String] {
        heardSoFar.withLock { heard in
            var octets = [UInt8](repeating: 0, count: 4_096)
            while true {
                let count = recv(notifications, &octets, octets.count, Int32(MSG_DONTWAIT))
                guard count >= 0 else { return heard }
                heard.append(String(decoding: octets.prefix(count), as: UTF8.self))
            }
        }
    }

    func eventuallyHears(_ text: String, times: Int = 1) async throws {
        _ = try await eventually("the service manager hears \(text)") {
            heard.count { $0.contains(text) } >= times ? true : nil
        }
    }

    /// A socket that it holds, from a number on that none of the passed ones gets.
    static func held(_ descriptor: Int32) throws -> Int32 {
        defer { close(descriptor) }
        let held = fcntl(descriptor, F_DUPFD_CLOEXEC, 200)
        guard held >= 0 else { throw LabFailure("no descriptor: \(String(cString: strerror(errno)))") }
        return held
    }

    /// Listens on 127.0.0.1; for the caller to close.
    static func listening(port: UInt16) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        let bound = TCPConnection.withAddress("127.0.0.1", port) { bind(descriptor, $0, $1) }
        guard bound == 0, listen(descriptor, 1_024) == 0 else {
            throw LabFailure("cannot listen on \(port): \(String(cString: strerror(errno)))")
        }
        return try held(descriptor)
    }

    /// Starts the bridge with these sockets, by name.
    ///
    /// - Parameters:
    ///   - environment: what differs from what a right manager says.
    ///   - program: the command line that takes the place of `BridgeProcess.binary()`.
    func start(
        _ configuration: String, passing sockets: [(name: String, descriptor: Int32)] = [],
        environment: [String: String] = [:], program: [String]? = nil, log name: String = "supervised"
    ) throws -> ChildProcess {
        let path = "\(directory)/\(name).yaml"
        try configuration.write(toFile: path, atomically: false, encoding: .utf8)
        // As systemd's: every user may tell it something.
        guard chmod(address, 0o666) == 0 else { throw LabFailure("cannot open \(address) to every user") }
        var variables = ["NOTIFY_SOCKET": address]
        if !sockets.isEmpty {
            variables["LISTEN_FDS"] = "\(sockets.count)"
            variables["LISTEN_FDNAMES"] = sockets.map(\.name).joined(separator: ":")
        }
        // The process's own id is known to itself only.
        let command = try (program ?? [BridgeProcess.binary()]) + ["serve", "--config", path]
        return try ChildProcess(
            "/bin/sh", ["-c", #"LISTEN_PID=${LISTEN_PID:-$$} exec "$@""#, "sh"] + command,
            environment: variables.merging(environment) { $1 }, passing: sockets.map(\.descriptor),
            log: LogFile(path: "\(directory)/\(name).log"))
    }
}
