import Glibc
import NIOCore
import ServiceManager

/// A listener that could not be had.
package struct ListenFailure: Error, Sendable, CustomStringConvertible {
    enum Reason: Error {
        case system(Int32)
        case alreadyServed
        /// Somebody stands ready already to take the place of the one that serves.
        case alreadyAwaited
        case notASocket(path: String)
        /// One that this process listens on, and gives up only when the new one stands.
        case inTheWay(ListenAddress)
    }

    /// `nil`: it was no address's fault.
    package let address: ListenAddress?
    package let description: String
    /// Somebody has the address.
    let isTaken: Bool
    /// The service manager's units do not pass what the configuration names.
    package let isOfUnit: Bool

    init(address: ListenAddress, error: any Error) {
        self.address = address
        isTaken = Self.isTaken(error)
        isOfUnit = error is PassedSocketFailure
        description = "cannot listen on \(address): \(Self.cause(error))"
    }

    private init(_ description: String) {
        address = nil
        isTaken = false
        isOfUnit = false
        self.description = description
    }

    package static let notNow = ListenFailure(
        "the daemon is starting or stopping, its listeners cannot change; try again")

    private static func isTaken(_ error: any Error) -> Bool {
        switch error {
        case Reason.alreadyServed, Reason.system(EADDRINUSE): true
        default: false
        }
    }

    static func cause(_ error: any Error) -> String {
        switch error {
        case Reason.alreadyServed: "another process serves this socket; stop it or choose another path"
        case Reason.alreadyAwaited:
            "a third process waits already to take it over from the one that serves it; stop one of them"
        case Reason.notASocket(let path):
            "a file that is no socket is in the way: \(path); remove it or choose another path"
        case Reason.inTheWay(let old): "\(old) of this process is in the way; remove that first, or restart the daemon"
        case Reason.system(let code): explain(code)
        case let error as IOError: explain(error.errnoCode)
        case let error as SocketAddressError.UnknownHost:
            "\(error.errorDescription); write an IP address, or a name that this host can resolve"
        default: "\(error)"
        }
    }

    private static func explain(_ code: Int32) -> String {
        let text = String(cString: strerror(code))
        return switch code {
        case EADDRINUSE: "\(text); stop the other process or choose another port under listen"
        case EACCES: "\(text); a port below 1024 or this directory needs more rights"
        case ENOENT: "\(text); create the directory first"
        case EADDRNOTAVAIL: "\(text); this host does not have the address"
        default: text
        }
    }
}
