import Foundation

/// The program under test: the built `sts-bridge`, run with a configuration file as an administrator would.
actor BridgeProcess {
    static let port: UInt16 = 8461
    static let tcpTablePort: UInt16 = 8462

    /// YAML, as in the configuration file.
    nonisolated let configuration: String
    nonisolated let log: LogFile
    private nonisolated let directory: String
    private let ready: UInt16
    /// Beside what the tests themselves have.
    private let environment: [String: String]
    /// The command line of the program, without the arguments; nil: `binary()`.
    private let program: [String]?
    private var process: ChildProcess?

    /// - Parameters:
    ///   - ready: the port that is listened on last; sockets are opened in the order of the configuration.
    ///   - program: the command line that takes the place of `binary()`.
    init(
        in directory: String, configuration: String, ready: UInt16 = port, environment: [String: String] = [:],
        program: [String]? = nil
    ) throws {
        self.directory = directory
        self.configuration = configuration
        self.ready = ready
        self.environment = environment
        self.program = program
        self.log = LogFile(path: directory + "/bridge.log")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try configuration.write(toFile: directory + "/config.yaml", atomically: false, encoding: .utf8)
    }

    func start() async throws {
        let command = try (program ?? [Self.binary()]) + ["serve", "--config", directory + "/config.yaml"]
        let process = try ChildProcess(command[0], Array(command[1...]), environment: environment, log: log)
        self.process = process
        _ = try await eventually("sts-bridge listens on port \(ready)") { [log, ready] in
            if let status = process.status { throw LabFailure("sts-bridge ended with \(status): \(log.text())") }
            return TCPConnection.canConnect(to: "127.0.0.1", port: ready) ? true : nil
        }
    }

    /// SIGTERM, and its exit status: 0 if it drained.
    @discardableResult
    func stop() async throws -> Int32? {
        let status = try await process?.end()
        process = nil
        return status
    }

    /// SIGKILL: no time for anything.
    func kill() async throws {
        try await process?.end(with: SIGKILL)
        process = nil
    }

    /// Puts another configuration in the file's place, says so by SIGHUP, and waits until the log tells what came of it.
    ///
    /// - Returns: what was logged since.
    func reload(_ configuration: String) async throws -> [String] {
        guard let identifier else { throw LabFailure("sts-bridge does not run") }
        try configuration.write(toFile: path, atomically: true, encoding: .utf8)
        let before = log.end
        Glibc.kill(identifier, SIGHUP)
        return try await eventually("the reload is logged") { [log] in
            let lines = log.lines(from: before)
            let outcomes = ["configuration reloaded", "reload refused"]
            return lines.contains { line in outcomes.contains { line.contains($0) } } ? lines : nil
        }
    }

    /// The configuration file.
    nonisolated var path: String { directory + "/config.yaml" }

    /// Its process id, while it runs.
    var identifier: pid_t? { process?.identifier }

    /// Nil while it runs (or was stopped by us).
    var unexpectedEnd: Int32? { process?.status }

    /// `sts-bridge query DOMAIN`, with the same configuration and without the daemon.
    func query(_ arguments: String...) async throws -> (status: Int32, output: String) {
        try await ChildProcess.run(
            Self.binary(), ["query"] + arguments + ["--config", directory + "/config.yaml"],
            environment: environment)
    }

    /// A command to the running daemon, as its administrator gives it: output and errors in one.
    @discardableResult
    nonisolated func command(_ arguments: String...) async throws -> (status: Int32, output: String) {
        try await command(arguments)
    }

    nonisolated func command(_ arguments: [String]) async throws -> (status: Int32, output: String) {
        try await ChildProcess.run(Self.binary(), arguments + ["--config", configurationPath])
    }

    nonisolated var configurationPath: String { directory + "/config.yaml" }
    nonisolated var adminSocket: String { directory + "/admin.sock" }

    /// `STS_BRIDGE_BINARY`, or what `swift build` made: next to the test bundle, else the release.
    static func binary() throws -> String {
        if let path = ProcessInfo.processInfo.environment["STS_BRIDGE_BINARY"] { return path }
        let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let candidates = [
            URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "sts-bridge").path,
            package.appending(path: ".build/release/sts-bridge").path,
            package.appending(path: ".build/debug/sts-bridge").path,
        ]
        guard let found = candidates.first(where: FileManager.default.isExecutableFile) else {
            throw LabFailure(
                "no sts-bridge at \(candidates.joined(separator: ", ")): build it, or set STS_BRIDGE_BINARY")
        }
        return found
    }
}
