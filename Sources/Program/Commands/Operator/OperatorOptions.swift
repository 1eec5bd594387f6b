import AdminAPI
import ArgumentParser

/// How a command connects to the running daemon, and how it prints.
struct OperatorOptions: ParsableArguments {
    @OptionGroup var configuration: ConfigurationOption
    @Option(
        help: ArgumentHelp(
            "The daemon's admin socket.",
            discussion: "Default: admin.socket of the configuration. With --socket the configuration is not read.",
            valueName: "path"))
    var socket: String?
    @Flag(help: "Print JSON, in the shapes that the daemon's /openapi.json describes.") var json = false

    func validate() throws {
        if socket == "" { throw ValidationError("--socket is empty: give the path of the daemon's admin socket") }
    }

    private func path() throws(CommandError) -> String {
        if let socket { return socket }
        guard let path = try configuration.read().adminSocket else {
            throw CommandError(
                .usage, reason: "admin.socket is empty in the configuration, so the daemon accepts no commands: set it")
        }
        return path
    }

    /// Calls `use` with a client of the daemon.
    ///
    /// - Parameter timeout: how long an answer may take to begin.
    /// - Throws: `CommandError` for every `AdminClientError`.
    func request<Result: Sendable>(
        timeout: Duration = AdminClient.timeout, _ use: (AdminClient) async throws -> Result
    ) async throws -> Result {
        do {
            return try await use(AdminClient(path: try path(), timeout: timeout))
        } catch let error as AdminClientError {
            throw CommandError(error.status, reason: "\(error)")
        }
    }

    /// Prints a value as JSON, or as `text` formats it.
    func show<Value: APIModel>(_ value: Value, text: (Value, Terminal) -> String) throws {
        print(json ? try APIEncoding.text(value, isIndented: true) : text(value, .standardOutput))
    }
}

extension AdminClientError {
    var status: ExitStatus {
        switch self {
        case .unreachable: .unreachable
        case .refused(status: 404, _): .notFound
        case .refused(status: 400..<500, _): .usage
        case .refused, .broken: .unknown
        }
    }
}
