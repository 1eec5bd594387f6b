import Glibc
import LocalSystem
import NIOCore
import Systemd
import UnixSockets

/// An address at which the daemon cannot listen.
package struct ListenError: Error, Sendable, CustomStringConvertible {
    /// `nil` if the error is not about an address.
    package let address: ListenAddress?
    package let description: String
    /// The service manager's units do not pass the sockets that the configuration names.
    package let isOfUnit: Bool

    init(address: ListenAddress, cause: any Error) {
        self.address = address
        isOfUnit = cause is ActivationSocketError
        description = "cannot listen on \(address): \(Self.explanation(of: cause))"
    }

    private init(_ description: String) {
        address = nil
        isOfUnit = false
        self.description = description
    }

    package static let notNow = ListenError(
        "the daemon is starting or stopping, its listeners cannot change; try again")

    /// The kernel gives no epoll instance or no thread.
    static func noSocketLoop(_ error: SystemCallError) -> ListenError {
        let text = String(cString: strerror(error.code))
        return ListenError("cannot serve lookups: \(text); raise LimitNOFILE of the unit, or free memory")
    }

    static func explanation(of cause: any Error) -> String {
        switch cause {
        case BindError.servedByAnotherUser:
            "a process of another user listens on this socket; stop that process or choose another path"
        case BindError.notASocket(let path):
            "the file \(path) is not a socket; remove it or choose another path"
        case BindError.usedTwice(let other):
            "it is the same socket as \(other) of this configuration; remove one of them"
        case BindError.system(let code): explanation(of: code)
        case let error as SystemCallError: explanation(of: error.code)
        case let error as IOError: explanation(of: error.errnoCode)
        case let error as SocketAddressError.UnknownHost:
            "\(error.errorDescription); write an IP address, or a name that this host can resolve"
        default: "\(cause)"
        }
    }

    /// - Parameter code: an errno.
    private static func explanation(of code: Int32) -> String {
        ListenAdvice.text(for: code, section: "listen", mayBePath: true)
    }
}

/// Why a socket cannot be bound.
enum BindError: Error {
    /// An errno.
    case system(Int32)
    case servedByAnotherUser
    case notASocket(path: String)
    /// Another address of the configuration, spelt otherwise, names the same socket.
    case usedTwice(ListenAddress)
}
