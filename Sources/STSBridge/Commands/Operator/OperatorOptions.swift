import Admin
import ArgumentParser

/// How a command reaches the running daemon, and how it prints.
struct OperatorOptions: ParsableArguments {
    @OptionGroup var configuration: ConfigurationOption
    @Option(
        help: ArgumentHelp(
            "The daemon's admin socket.",
            discussion: "Default: admin.socket of the configuration, which is then not read for anything else.",
            valueName: "path"))
    var socket: String?
    @Flag(help: "Print JSON, of the shapes that the daemon's /openapi.json describes.") var json = false

    func validate() throws {
        if socket == "" { throw ValidationError("--socket is empty: give the path of the daemon's admin socket") }
    }

    private func path() throws(CommandFailure) -> String {
        if let socket { return socket }
        guard let path = try configuration.read().adminSocket else {
            throw CommandFailure(
                .usage, "admin.socket is empty in the configuration: the daemon listens to no commands")
        }
        return path
    }

    /// Lets `use` ask the daemon.
    ///
    /// - Parameter patience: how long an answer may take to begin.
    func ask<Result: Sendable>(
        patience: Duration = AdminClient.patience, _ use: (AdminClient) async throws -> Result
    ) async throws -> Result {
        do {
            return try await AdminClient.with(path: try path(), patience: patience, use)
        } catch let failure as AdminClientFailure {
            throw CommandFailure(failure.status, "\(failure)")
        }
    }

    /// Prints a value as JSON, or else in words.
    func show<Value: WireValue>(_ value: Value, _ text: (Value, Terminal) -> String) throws {
        print(json ? try JSONText.encode(value) : text(value, .standardOutput))
    }
}

extension AdminClientFailure {
    var status: ExitStatus {
        switch self {
        case .unreachable: .unreachable
        case .refused(status: 404, _): .notFound
        case .refused(status: 400..<500, _): .usage
        case .refused, .broken: .unknown
        }
    }
}
