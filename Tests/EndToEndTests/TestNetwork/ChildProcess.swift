import Foundation
import Synchronization

/// A program of the test network with its process id.
///
/// Its output goes to a file, not to a pipe, so it never blocks on a test that does not read.
/// Foundation's `Process` reports the end on a run loop, which tests do not have.
final class ChildProcess: Sendable {
    let name: String
    let identifier: pid_t
    let log: LogFile
    private let ending = Mutex<Int32?>(nil)

    /// - Parameters:
    ///   - environment: variables in addition to those of the tests.
    ///   - descriptors: the child gets them as 3, 4 …; their own numbers are larger.
    init(
        _ program: String, arguments: [String], environment: [String: String] = [:], input: String = "/dev/null",
        passing descriptors: [Int32] = [], log: LogFile
    ) throws {
        self.name = (program as NSString).lastPathComponent
        self.log = log
        self.identifier = try Self.spawn(
            program, arguments: arguments, environment: environment, input: input, passing: descriptors,
            output: log.path)
    }

    /// The exit status, or 128 + the signal; `nil` while it runs.
    var status: Int32? {
        ending.withLock { ending in
            if ending != nil { return ending }
            var raw: Int32 = 0
            guard waitpid(identifier, &raw, WNOHANG) == identifier else { return nil }
            ending = raw & 0x7f == 0 ? (raw >> 8) & 0xff : 128 + (raw & 0x7f)
            return ending
        }
    }

    func wait(within deadline: Duration = .seconds(60)) async throws -> Int32 {
        try await eventually("\(name) ends", within: deadline) { status }
    }

    /// Sends the signal. After the deadline, kills the process and throws.
    @discardableResult
    func end(with signal: Int32 = SIGTERM, within deadline: Duration = .seconds(20)) async throws -> Int32 {
        if let status { return status }
        kill(identifier, signal)
        do {
            return try await wait(within: deadline)
        } catch {
            kill(identifier, SIGKILL)
            _ = try await wait()
            throw TestNetworkError("\(name) did not end on signal \(signal)")
        }
    }

    /// Runs a tool to its end and returns its output and errors.
    static func run(
        _ program: String, arguments: [String], environment: [String: String] = [:], input: Data = Data(),
        within deadline: Duration = .seconds(60)
    ) async throws -> (status: Int32, output: String) {
        let base = NSTemporaryDirectory() + "sts-bridge-tool-" + UUID().uuidString
        let (inputPath, log) = (base + ".in", LogFile(path: base + ".out"))
        defer {
            try? FileManager.default.removeItem(atPath: inputPath)
            try? FileManager.default.removeItem(atPath: log.path)
        }
        try input.write(to: URL(filePath: inputPath))
        let child = try ChildProcess(
            program, arguments: arguments, environment: environment, input: inputPath, log: log)
        let status = try await child.wait(within: deadline)
        return (status, log.text())
    }

    /// Like `run`, for a tool that must succeed.
    @discardableResult
    static func must(_ program: String, arguments: [String], input: Data = Data()) async throws -> String {
        let (status, output) = try await run(program, arguments: arguments, input: input)
        guard status == 0 else {
            throw TestNetworkError("\(program) \(arguments.joined(separator: " ")) ended with \(status): \(output)")
        }
        return output
    }

    /// Like `must`, with program and arguments in one list.
    @discardableResult
    static func must(_ command: [String], input: Data = Data()) async throws -> String {
        try await must(command[0], arguments: Array(command.dropFirst()), input: input)
    }

    private static func spawn(
        _ program: String, arguments: [String], environment additions: [String: String], input: String,
        passing descriptors: [Int32], output: String
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        for (index, descriptor) in descriptors.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(3 + index))
        }

        // A test thread may run with signals blocked; a daemon must not inherit that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        var argv = ([program] + arguments).map { strdup($0) } + [nil]
        // Variables for the tests are not for their children: the bridge refuses unknown variables.
        let inherited = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("STS_BRIDGE_") }
        var environment = inherited.merging(additions) { $1 }.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { (argv + environment).forEach { free($0) } }
        var identifier: pid_t = 0
        let error = posix_spawn(&identifier, program, &actions, &attributes, &argv, &environment)
        guard error == 0 else { throw TestNetworkError("cannot start \(program): \(String(cString: strerror(error)))") }
        return identifier
    }
}
