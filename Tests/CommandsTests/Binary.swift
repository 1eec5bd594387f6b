import Foundation

/// Runs the built command as a user would.
enum Binary {
    struct Outcome {
        let status: Int32
        let output: String
        let errors: String
    }

    /// The command is in the directory of the test bundle.
    static var url: URL {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("sts-bridge")
    }

    /// Runs the command until it ends. Its environment contains only `environment`.
    static func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Outcome {
        try await run(url.path, arguments: arguments, environment: environment)
    }

    /// Runs any program until it ends, on a thread that may block: the tests have few threads.
    static func run(
        _ program: String, arguments: [String], environment: [String: String] = [:]
    ) async throws -> Outcome {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    with: Result { try runToEnd(program, arguments: arguments, environment: environment) })
            }
        }
    }

    private static func runToEnd(
        _ program: String, arguments: [String], environment: [String: String]
    ) throws -> Outcome {
        let process = Process()
        let output = Pipe()
        let errors = Pipe()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.environment = environment
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        // Both outputs are short, so neither fills its pipe.
        let texts = [output, errors].map {
            String(decoding: $0.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        }
        process.waitUntilExit()
        return Outcome(status: process.terminationStatus, output: texts[0], errors: texts[1])
    }

    /// Runs the command with `yaml` as its configuration file.
    static func run(
        _ arguments: [String], yaml: String, environment: [String: String] = [:]
    ) async throws -> (outcome: Outcome, path: String) {
        let path = NSTemporaryDirectory() + "sts-bridge-\(UUID().uuidString).yaml"
        try yaml.write(toFile: path, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return (try await run(arguments + ["--config", path], environment: environment), path)
    }
}
