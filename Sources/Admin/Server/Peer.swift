import Glibc
import NIOCore

/// Who is at the other end of a connection over a unix socket: what the kernel says, not what the peer says.
package struct Peer: Equatable, Sendable {
    package let user: UInt32
    /// The process that connected; it may have ended since, or have handed the socket on.
    package let process: Int32
    /// The user's name, `uid N` where there is none: what an order is signed with.
    package let author: String

    package init(user: UInt32, process: Int32) {
        self.user = user
        self.process = process
        author = Self.name(of: user) ?? "uid \(user)"
    }

    /// `nil`: the kernel does not say.
    static func of(_ channel: any Channel) async -> Peer? {
        guard let socket = channel as? any SocketOptionProvider else { return nil }
        let credentials: EventLoopFuture<Credentials> = socket.unsafeGetSocketOption(
            level: NIOBSDSocket.OptionLevel.socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        guard let credentials = try? await credentials.get() else { return nil }
        return Peer(user: credentials.user, process: credentials.process)
    }

    /// `struct ucred` of unix(7), which Glibc's headers show to GNU programs only.
    private struct Credentials: Sendable {
        var process: pid_t = 0
        var user: uid_t = 0
        var group: gid_t = 0
    }

    private static func name(of user: UInt32) -> String? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        guard getpwuid_r(user, &entry, &buffer, buffer.count, &found) == 0, found != nil, let name = entry.pw_name
        else { return nil }
        return String(cString: name)
    }
}
