import AsyncHTTPClient
import Glibc
import MTASTS
import NIOCore

/// Why a command has no answer from the daemon.
package enum AdminClientFailure: Error, Equatable, Sendable {
    package enum Obstacle: Equatable, Sendable {
        case noSuchFile
        case refused
        case noPermission
        /// It took the connection and did not answer in time.
        case silent
        case other(String)
    }

    /// No connection to the socket at this path.
    case unreachable(String, Obstacle)
    /// The daemon has understood, and says no.
    case refused(status: Int, Problem)
    /// An answer that is none.
    case broken(String)
}

extension AdminClientFailure {
    init(_ error: any Error, path: String) {
        switch error {
        case let error as IOError: self = .unreachable(path, Obstacle(code: error.errnoCode))
        case SocketAddressError.unixDomainSocketPathTooLong:
            self = .unreachable(path, .other("a socket's path has at most 107 octets"))
        case let error as HTTPClientError where error == .deadlineExceeded || error == .connectTimeout:
            self = .unreachable(path, .silent)
        default: self = .unreachable(path, .other("\(error)"))
        }
    }
}

extension AdminClientFailure.Obstacle {
    init(code: Int32) {
        switch code {
        case ENOENT, ENOTDIR: self = .noSuchFile
        case ECONNREFUSED: self = .refused
        case EACCES, EPERM: self = .noPermission
        default: self = .other(String(cString: strerror(code)))
        }
    }
}

extension AdminClientFailure: CustomStringConvertible {
    /// One line: what is the matter, and what to do.
    package var description: String {
        switch self {
        case .unreachable(let path, let obstacle): Self.words(for: obstacle, at: path)
        case .refused(_, let problem): "\(problem)"
        case .broken(let reason): reason
        }
    }

    private static func words(for obstacle: Obstacle, at socket: String) -> String {
        let path = RemoteText.escaped(socket)
        return switch obstacle {
        case .noSuchFile:
            "the daemon is not reachable: there is no \(path); is it running, and is admin.socket this path? (--socket)"
        case .refused:
            "the daemon is not reachable: nobody serves \(path) any more; start sts-bridge"
        case .noPermission:
            "the daemon is not reachable: no permission for \(path); \(remedy(at: socket))"
        case .silent:
            "the daemon does not answer at \(path) in time"
        case .other(let reason):
            "the daemon is not reachable at \(path): \(reason)"
        }
    }

    /// Who may connect, if that can be seen.
    private static func remedy(at path: String) -> String {
        var status = stat()
        guard stat(path, &status) == 0 else { return "be root, or a member of the socket's group" }
        guard status.st_mode & S_IWGRP != 0 else {
            return "be root, or let a group use it (admin.socket-group)"
        }
        return "be root, or a member of \(name(of: status.st_gid))"
    }

    private static func name(of group: gid_t) -> String {
        var entry = Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        guard getgrgid_r(group, &entry, &buffer, buffer.count, &found) == 0, found != nil
        else { return "the socket's group" }
        return "the group \(String(cString: entry.gr_name))"
    }
}
