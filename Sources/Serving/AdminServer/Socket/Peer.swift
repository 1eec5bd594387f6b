import Glibc
import LocalSystem
import NIOCore

/// The user and process at the other end of a unix socket, according to the kernel (`SO_PEERCRED`).
package struct Peer: Equatable, Sendable {
    package let user: UInt32
    /// The process that connected. It may have ended since, or passed the socket to another one.
    package let process: Int32
    /// The user's name, or `uid N` without one: the author of an override.
    package let author: String

    package init(user: UInt32, process: Int32) {
        self.user = user
        self.process = process
        author = AccountDatabase.user(id: user)?.name ?? "uid \(user)"
    }

    /// `nil`: the kernel does not report it.
    static func of(_ channel: any Channel) async -> Peer? {
        guard let socket = channel as? any SocketOptionProvider else { return nil }
        let credentials: EventLoopFuture<Credentials> = socket.unsafeGetSocketOption(
            level: NIOBSDSocket.OptionLevel.socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        guard let credentials = try? await credentials.get() else { return nil }
        return Peer(user: credentials.user, process: credentials.process)
    }

    /// `struct ucred` of unix(7), which Glibc declares for GNU programs only.
    private struct Credentials: Sendable {
        var process: pid_t = 0
        var user: uid_t = 0
        var group: gid_t = 0
    }
}
