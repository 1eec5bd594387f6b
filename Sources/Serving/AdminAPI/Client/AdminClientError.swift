import CCurl
import Glibc
import LibCurl
import LocalSystem
import TextFormats

/// Why a command has no answer from the daemon.
package enum AdminClientError: Error, Equatable, Sendable {
    package enum ConnectionError: Equatable, Sendable {
        case noSuchFile
        /// No process listens on the socket.
        case notServed
        case noPermission
        /// The daemon accepted the connection and did not answer in time.
        case silent
        case other(String)
    }

    /// No connection to the socket at this path.
    case unreachable(String, ConnectionError)
    /// The daemon understood the request and refused it.
    case refused(status: Int, ProblemDetails)
    /// The answer is not one of this API.
    case broken(String)
}

extension AdminClientError {
    /// A transfer that ended with `code` before the head of a response.
    init(_ code: CURLcode, state: CurlTransferState, path: String) {
        let error: ConnectionError =
            switch code {
            case CURLE_COULDNT_CONNECT where state.systemError != 0: ConnectionError(errno: state.systemError)
            case CURLE_OK, CURLE_GOT_NOTHING: .other("it closed the connection without an answer")
            // libcurl's code for octets that are not HTTP.
            case CURLE_UNSUPPORTED_PROTOCOL: .other("the answer is not HTTP")
            default: .other(CurlErrorMessage.libraryError(code))
            }
        self = .unreachable(path, error)
    }
}

extension AdminClientError.ConnectionError {
    fileprivate init(errno code: Int32) {
        switch code {
        case ENOENT, ENOTDIR: self = .noSuchFile
        case ECONNREFUSED: self = .notServed
        case EACCES, EPERM: self = .noPermission
        default: self = .other(CurlErrorMessage.systemError(code))
        }
    }
}

extension AdminClientError: CustomStringConvertible {
    /// One line: what failed, why, and what to do.
    package var description: String {
        switch self {
        case .unreachable(let path, let error): Self.description(of: error, path: path)
        case .refused(_, let problem): "\(problem)"
        case .broken(let reason): reason
        }
    }

    private static func description(of error: ConnectionError, path socket: String) -> String {
        let path = UntrustedText.escaped(socket)
        return switch error {
        case .noSuchFile:
            "cannot connect to the daemon: \(path) does not exist; is the daemon running, and is admin.socket this "
                + "path? (--socket)"
        case .notServed:
            "cannot connect to the daemon: no process listens on \(path); start sts-bridge"
        case .noPermission:
            "cannot connect to the daemon: no permission for \(path); \(advice(path: socket))"
        case .silent:
            "the daemon did not answer at \(path) in time; see its log"
        case .other(let reason):
            "cannot connect to the daemon at \(path): \(reason)"
        }
    }

    /// Names the group that may connect, if it can be found out.
    private static func advice(path: String) -> String {
        var status = stat()
        guard stat(path, &status) == 0 else { return "be root, or a member of the socket's group" }
        guard status.st_mode & S_IWGRP != 0 else { return "be root, or set admin.socket-group" }
        let group = AccountDatabase.groupName(id: status.st_gid).map { "the group \($0)" } ?? "the socket's group"
        return "be root, or a member of \(group)"
    }
}
