import Foundation

/// The program under test: the built `sts-bridge` with a configuration file.
actor BridgeProcess {
    static let port: UInt16 = 8461
    static let tcpTablePort: UInt16 = 8462

    /// The text of the configuration file.
    nonisolated let configuration: String
    nonisolated let log: LogFile
    private nonisolated let directory: String
    private let ready: UInt16
    /// Variables in addition to those of the tests.
    private let environment: [String: String]
    /// The command line without the arguments; `nil` for `binary()`.
    private let program: [String]?
    private var process: ChildProcess?

    /// - Parameters:
    ///   - ready: the port that the bridge opens last. It opens ports in the order of the configuration.
    ///   - program: the command line to use instead of `binary()`.
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
        let process = try ChildProcess(command[0], arguments: Array(command[1...]), environment: environment, log: log)
        self.process = process
        _ = try await eventually("sts-bridge listens on port \(ready)") { [log, ready] in
            if let status = process.status { throw TestNetworkError("sts-bridge ended with \(status): \(log.text())") }
            return TCPConnection.canConnect(to: "127.0.0.1", port: ready) ? true : nil
        }
    }

    /// Sends SIGTERM and returns the exit status, which is 0 after a graceful shutdown.
    @discardableResult
    func stop() async throws -> Int32? {
        let status = try await process?.end()
        process = nil
        return status
    }

    /// Sends SIGKILL.
    func kill() async throws {
        try await process?.end(with: SIGKILL)
        process = nil
    }

    /// Replaces the configuration file, sends SIGHUP and waits for the result in the log.
    ///
    /// - Returns: the log lines since the signal.
    func reload(_ configuration: String) async throws -> [String] {
        guard let identifier else { throw TestNetworkError("sts-bridge does not run") }
        try configuration.write(toFile: path, atomically: true, encoding: .utf8)
        let before = log.end
        Glibc.kill(identifier, SIGHUP)
        return try await eventually("the reload is logged") { [log] in
            let lines = log.lines(from: before)
            let outcomes = ["configuration reloaded", "reload rejected"]
            return lines.contains { line in outcomes.contains { line.contains($0) } } ? lines : nil
        }
    }

    /// The configuration file.
    nonisolated var path: String { directory + "/config.yaml" }

    /// The process id while it runs.
    var identifier: pid_t? { process?.identifier }

    /// The exit status if it ended by itself.
    var unexpectedEnd: Int32? { process?.status }

    /// Runs `sts-bridge query` with the same configuration, without the daemon.
    func query(_ arguments: String...) async throws -> (status: Int32, output: String) {
        try await ChildProcess.run(
            Self.binary(), arguments: ["query"] + arguments + ["--config", directory + "/config.yaml"],
            environment: environment)
    }

    /// Runs a command and returns its output and errors.
    @discardableResult
    nonisolated func command(_ arguments: String...) async throws -> (status: Int32, output: String) {
        try await command(arguments)
    }

    nonisolated func command(_ arguments: [String]) async throws -> (status: Int32, output: String) {
        try await ChildProcess.run(Self.binary(), arguments: arguments + ["--config", configurationPath])
    }

    nonisolated var configurationPath: String { directory + "/config.yaml" }
    nonisolated var adminSocket: String { directory + "/admin.sock" }

    /// `STS_BRIDGE_BINARY`, or the product of `swift build`: next to the test bundle, else the release.
    static func binary() throws -> String {
        if let path = ProcessInfo.processInfo.environment["STS_BRIDGE_BINARY"] { return path }
        let package = TestNetwork.repository
        let candidates = [
            URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "sts-bridge").path,
            package.appending(path: ".build/release/sts-bridge").path,
            package.appending(path: ".build/debug/sts-bridge").path,
        ]
        guard let found = candidates.first(where: FileManager.default.isExecutableFile) else {
            throw TestNetworkError(
                "no sts-bridge at \(candidates.joined(separator: ", ")): build it, or set STS_BRIDGE_BINARY")
        }
        return found
    }
}
