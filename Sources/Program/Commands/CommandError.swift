import BridgeConfiguration
import BridgeDaemon

/// The exit codes of all commands except `doctor`.
enum ExitStatus: Int32, CaseIterable {
    /// Done, or found.
    case success = 0
    /// Not found: no policy, or nothing of that name.
    case notFound = 1
    /// The command line or the configuration is wrong.
    case usage = 2
    /// Not known, or not possible now.
    case unknown = 3
    /// The daemon cannot be reached.
    case unreachable = 4

    /// For the manual.
    var meaning: String {
        switch self {
        case .success: "Done, or found."
        case .notFound: "Not found: there is no policy, or nothing of that name."
        case .usage: "The command line or the configuration is wrong."
        case .unknown: "The result could not be found out, or the action is not possible now."
        case .unreachable: "The daemon cannot be reached."
        }
    }
}

/// The reason why a command fails: one line for the user, and the exit code.
struct CommandError: Error, CustomStringConvertible {
    let status: ExitStatus
    let description: String

    init(_ status: ExitStatus, reason: String) {
        self.status = status
        description = reason
    }
}

extension CommandError {
    init(_ error: ConfigurationError) {
        self.init(.usage, reason: error.description)
    }

    init(_ error: DaemonError) {
        switch error.kind {
        case .configuration: self.init(.usage, reason: error.description)
        case .temporary: self.init(.unknown, reason: error.description)
        }
    }
}
