import Glibc
import Logging
import NIOCore
import NIOPosix

/// One listening socket.
struct Listener {
    let address: ListenAddress
    let channel: any Channel
    /// The device and inode of a unix socket, so that only our own is removed at the end.
    private let file: FileIdentity?

    /// Binds `address`; connections get the handlers that `initializer` adds.
    ///
    /// A unix socket appears under its name with its mode and group set, by rename, so that at no time a stranger may
    /// connect, and Postfix never finds it missing.
    /// - Throws: `ListenFailure`.
    static func bind(
        _ address: ListenAddress, settings: LookupSettings, group: any EventLoopGroup, logger: Logger,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws(ListenFailure) -> Listener {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer(initializer)
        do {
            switch address {
            case .tcp(let host, let port):
                // [::] is IPv6 alone, so that 0.0.0.0 can stand beside it.
                let family =
                    host.contains(":")
                    ? bootstrap.serverChannelOption(.socket(IPPROTO_IPV6, IPV6_V6ONLY), value: 1) : bootstrap
                let channel = try await family.childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .bind(host: host, port: port).get()
                return Listener(address: address, channel: channel, file: nil)
            case .unix(let path):
                try refuseIfTaken(path)
                let temporary = path + ListenAddress.temporarySuffix
                // Nobody else's until its mode is set; nothing else of this process makes files while it starts.
                let mask = umask(0o177)
                defer { umask(mask) }
                let channel = try await bootstrap.bind(unixDomainSocketPath: temporary, cleanupExistingSocketFile: true)
                    .get()
                try settings.applyRights(to: temporary, logger: logger)
                guard rename(temporary, path) == 0 else { throw ListenFailure.Reason.system(errno) }
                return Listener(address: address, channel: channel, file: FileIdentity(path))
            }
        } catch {
            throw ListenFailure(address: address, error: error)
        }
    }

    /// The port that was bound, also where the configuration left the choice to the system.
    var port: Int? { channel.localAddress?.port }

    /// Takes no more connections; those there are stay.
    func close() async {
        // It may be closed already; then there is nothing to do.
        try? await channel.close()
        if case .unix(let path) = address, let file, FileIdentity(path) == file { unlink(path) }
    }

    /// A socket that somebody answers at is not ours to replace, nor is a file that is no socket.
    private static func refuseIfTaken(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw ListenFailure.Reason.notASocket }
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard probe >= 0 else { throw ListenFailure.Reason.system(errno) }
        defer { Glibc.close(probe) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(probe, $0, length) }
        }
        if result == 0 { throw ListenFailure.Reason.alreadyServed }
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
    }

    package let address: ListenAddress
    package let description: String

    init(address: ListenAddress, error: any Error) {
        self.address = address
        let cause =
            switch error {
            case Reason.alreadyServed: "another process serves this socket; stop it or choose another path"
            case Reason.notASocket: "a file that is no socket is in the way; remove it or choose another path"
            case Reason.system(let code): Self.explain(code)
            case let error as IOError: Self.explain(error.errnoCode)
            default: "\(error)"
            }
        description = "cannot listen on \(address): \(cause)"
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
