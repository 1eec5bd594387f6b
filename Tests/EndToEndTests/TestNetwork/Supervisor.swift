import Foundation
import Synchronization
import TestSupport

/// A fake of systemd: keeps listening sockets, passes them to the bridge with LISTEN_FDS and receives its messages over
/// NOTIFY_SOCKET.
final class Supervisor: Sendable {
    private let directory: String
    private let notifications: Int32
    private let datagrams = Mutex<[String]>([])
    private var address: String { directory + "/notify" }

    init(in directory: String) throws {
        self.directory = directory
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        notifications = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let path = directory + "/notify"
        unlink(path)
        guard withUnixAddress(path, body: { bind(notifications, $0, $1) }) == 0 else {
            throw TestNetworkError("cannot bind \(path): \(String(cString: strerror(errno)))")
        }
    }

    deinit {
        close(notifications)
    }

    /// All messages until now.
    var received: [String] {
        datagrams.withLock { datagrams in
            var octets = [UInt8](repeating: 0, count: 4_096)
            while true {
                let count = recv(notifications, &octets, octets.count, Int32(MSG_DONTWAIT))
                guard count >= 0 else { return datagrams }
                datagrams.append(String(decoding: octets.prefix(count), as: UTF8.self))
            }
        }
    }

    func eventuallyReceives(_ text: String, times: Int = 1) async throws {
        _ = try await eventually("the service manager receives \(text)") {
            received.count { $0.contains(text) } >= times ? true : nil
        }
    }

    /// Moves a socket to a number above those that the bridge gets.
    static func moved(_ descriptor: Int32) throws -> Int32 {
        defer { close(descriptor) }
        let moved = fcntl(descriptor, F_DUPFD_CLOEXEC, 200)
        guard moved >= 0 else { throw TestNetworkError("no descriptor: \(String(cString: strerror(errno)))") }
        return moved
    }

    /// Listens on 127.0.0.1. The caller closes the socket.
    static func listening(port: UInt16) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        let bound = TCPConnection.withAddress("127.0.0.1", port: port) { bind(descriptor, $0, $1) }
        guard bound == 0, listen(descriptor, 1_024) == 0 else {
            throw TestNetworkError("cannot listen on \(port): \(String(cString: strerror(errno)))")
        }
        return try moved(descriptor)
    }

    /// Starts the bridge with these sockets and their names.
    ///
    /// - Parameters:
    ///   - environment: variables that differ from those of a correct service manager.
    ///   - program: the command line to use instead of `BridgeProcess.binary()`.
    func start(
        _ configuration: String, passing sockets: [(name: String, descriptor: Int32)] = [],
        environment: [String: String] = [:], program: [String]? = nil, log name: String = "supervised"
    ) throws -> ChildProcess {
        let path = "\(directory)/\(name).yaml"
        try configuration.write(toFile: path, atomically: false, encoding: .utf8)
        // Like the socket of systemd: every user may send.
        guard chmod(address, 0o666) == 0 else { throw TestNetworkError("cannot open \(address) to every user") }
        var variables = ["NOTIFY_SOCKET": address]
        if !sockets.isEmpty {
            variables["LISTEN_FDS"] = "\(sockets.count)"
            variables["LISTEN_FDNAMES"] = sockets.map(\.name).joined(separator: ":")
        }
        // Only the shell knows the process id in time.
        let command = try (program ?? [BridgeProcess.binary()]) + ["serve", "--config", path]
        return try ChildProcess(
            "/bin/sh", arguments: ["-c", #"LISTEN_PID=${LISTEN_PID:-$$} exec "$@""#, "sh"] + command,
            environment: variables.merging(environment) { $1 }, passing: sockets.map(\.descriptor),
            log: LogFile(path: "\(directory)/\(name).log"))
    }
}
