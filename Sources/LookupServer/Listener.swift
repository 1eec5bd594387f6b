import Glibc
import Logging
import NIOCore
import NIOPosix

/// One table at one address.
package struct TablePlace: Hashable, Sendable {
    package let address: ListenAddress
    package let table: TableProtocol
}

/// One listening socket.
struct Listener: Sendable {
    let place: TablePlace
    let channel: any Channel
    /// The device and inode of a unix socket, so that only our own is removed at the end.
    private let file: FileIdentity?

    /// Binds the place's address; connections get the handlers that `initializer` adds.
    ///
    /// A unix socket appears under its name with its mode and group set, by rename, so that at no time a stranger may
    /// connect, and Postfix never finds it missing.
    /// - Throws: `ListenFailure`.
    static func bind(
        _ place: TablePlace, settings: LookupSettings, group: any EventLoopGroup, logger: Logger,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws(ListenFailure) -> Listener {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer(initializer)
        do {
            switch place.address {
            case .tcp(let host, let port):
                // [::] is IPv6 alone, so that 0.0.0.0 can stand beside it.
                let family =
                    host.contains(":")
                    ? bootstrap.serverChannelOption(.socket(IPPROTO_IPV6, IPV6_V6ONLY), value: 1) : bootstrap
                let channel = try await family.childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .bind(host: host, port: port).get()
                return Listener(place: place, channel: channel, file: nil)
            case .unix(let path):
                try refuseIfTaken(path)
                let temporary = path + ListenAddress.temporarySuffix
                let descriptor = try bindPrivately(temporary)
                let channel = try await bootstrap.withBoundSocket(descriptor).get()
                // NIO has listened before it knew the option.
                listen(descriptor, backlog)
                do {
                    try settings.applyRights(to: temporary, logger: logger)
                    guard rename(temporary, path) == 0 else { throw ListenFailure.Reason.system(errno) }
                } catch {
                    try? await channel.close()
                    unlink(temporary)
                    throw error
                }
                return Listener(place: place, channel: channel, file: FileIdentity(path))
            }
        } catch {
            throw ListenFailure(address: place.address, error: error)
        }
    }

    /// The port that was bound, also where the configuration left the choice to the system.
    var port: Int? { channel.localAddress?.port }

    /// Takes no more connections; those there are stay.
    func close() async {
        // It may be closed already; then there is nothing to do.
        try? await channel.close()
        if let path = ownFile { unlink(path) }
    }

    /// The unix socket's name, while it stands for ours.
    private var ownFile: String? {
        guard case .unix(let path) = place.address, let file, FileIdentity(path) == file else { return nil }
        return path
    }

    /// Gives a unix socket that stands the mode and group of new settings.
    func applyRights(_ settings: LookupSettings, logger: Logger) {
        guard let path = ownFile else { return }
        do {
            try settings.applyRights(to: path, logger: logger)
        } catch {
            logger.warning(
                "cannot set the mode of the unix socket",
                metadata: ["path": "\(path)", "reason": "\(ListenFailure.cause(error))"])
        }
    }

    /// Connections that wait to be accepted: one for each smtp(8) of a large site that starts anew.
    private static let backlog: Int32 = 1_024

    /// A socket that is nobody else's until its mode is set: Linux makes the file with the mode of the descriptor. (Not by
    /// umask(2), which would be the whole process's.)
    private static func bindPrivately(_ path: String) throws -> Int32 {
        if isSocket(path) { unlink(path) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw ListenFailure.Reason.system(errno) }
        guard fchmod(descriptor, 0o600) == 0, withUnixAddress(path, { Glibc.bind(descriptor, $0, $1) }) == 0 else {
            defer { Glibc.close(descriptor) }
            throw ListenFailure.Reason.system(errno)
        }
        return descriptor
    }

    private static func isSocket(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    }

    private static func withUnixAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    /// A socket that somebody answers at is not ours to replace, nor is a file that is no socket.
    private static func refuseIfTaken(_ path: String) throws {
        guard FileIdentity(path) != nil else { return }
        guard isSocket(path) else { throw ListenFailure.Reason.notASocket }
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard probe >= 0 else { throw ListenFailure.Reason.system(errno) }
        defer { Glibc.close(probe) }
        if withUnixAddress(path, { connect(probe, $0, $1) }) == 0 { throw ListenFailure.Reason.alreadyServed }
    }
}

/// Which file a name stands for.
private struct FileIdentity: Equatable {
    let device: UInt
    let inode: UInt

    init?(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        device = UInt(status.st_dev)
        inode = UInt(status.st_ino)
    }
}

extension LookupSettings {
    /// Gives a unix socket its mode and group. A group that is missing, or not ours to give, is a warning: the socket
    /// is then less reachable, never more.
    fileprivate func applyRights(to path: String, logger: Logger) throws {
        if let socketGroup {
            if let id = Self.groupID(of: socketGroup) {
                if chown(path, uid_t.max, id) != 0 {
                    logger.warning(
                        "cannot give the unix socket to its group: run as root or as a member of it",
                        metadata: [
                            "path": "\(path)", "group": "\(socketGroup)",
                            "error": "\(String(cString: strerror(errno)))",
                        ])
                }
            } else {
                logger.warning(
                    "group of the unix socket does not exist: set listen.socket-group",
                    metadata: ["path": "\(path)", "group": "\(socketGroup)"])
            }
        }
        guard chmod(path, mode_t(socketMode)) == 0 else { throw ListenFailure.Reason.system(errno) }
    }

    private static func groupID(of name: String) -> gid_t? {
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        guard getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
        return entry.gr_gid
    }
}

/// A listener that could not be had.
package struct ListenFailure: Error, Sendable, CustomStringConvertible {
    enum Reason: Error {
        case system(Int32)
        case alreadyServed
        case notASocket
        /// One that this process listens on, and gives up only when the new one stands.
        case inTheWay(ListenAddress)
    }

    /// `nil`: it was no address's fault.
    package let address: ListenAddress?
    package let description: String
    /// Somebody has the address.
    let isTaken: Bool

    init(address: ListenAddress, error: any Error) {
        self.address = address
        isTaken = Self.isTaken(error)
        description = "cannot listen on \(address): \(Self.cause(error))"
    }

    private init(_ description: String) {
        address = nil
        isTaken = false
        self.description = description
    }

    package static let notNow = ListenFailure(
        "the daemon is starting or stopping, its listeners cannot change; try again")

    private static func isTaken(_ error: any Error) -> Bool {
        switch error {
        case Reason.alreadyServed: true
        case let error as IOError: error.errnoCode == EADDRINUSE
        default: false
        }
    }

    static func cause(_ error: any Error) -> String {
        switch error {
        case Reason.alreadyServed: "another process serves this socket; stop it or choose another path"
        case Reason.notASocket: "a file that is no socket is in the way; remove it or choose another path"
        case Reason.inTheWay(let old): "\(old) of this process is in the way; remove that first, or restart the daemon"
        case Reason.system(let code): explain(code)
        case let error as IOError: explain(error.errnoCode)
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
