/// The exit codes, the same for every command.
enum ExitStatus: Int32, CaseIterable {
    /// Done, found.
    case success = 0
    /// Not found, no policy.
    case notFound = 1
    /// The command line or the configuration is wrong.
    case usage = 2
    /// Could not find out, or not now.
    case unknown = 3
    /// The daemon is not reachable.
    case unreachable = 4

    /// For the manual.
    var meaning: String {
        switch self {
        case .success: "Done, or found."
        case .notFound: "Not found: there is no policy, or nothing of that name."
        case .usage: "The command line or the configuration is wrong."
        case .unknown: "It could not be found out, or not be done now."
        case .unreachable: "The daemon cannot be reached."
        }
    }
}

/// Why a command ends without having done its work: one line for a human, and the exit code.
struct CommandFailure: Error, CustomStringConvertible {
    let status: ExitStatus
    let description: String

    init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}

extension CommandFailure {
    init(_ error: ConfigurationError) {
        self.init(.usage, error.description)
    }
}
