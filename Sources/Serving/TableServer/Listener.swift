import Glibc
import Logging
import NIOCore
import Systemd
import UnixSockets

/// One table at one address.
package struct TableEndpoint: Hashable, Sendable {
    package let address: ListenAddress
    package let table: TableProtocol
}

/// One listening socket. Other processes of the same user may listen at the same address.
///
/// A TCP port is shared by SO_REUSEPORT (socket(7)); the kernel assigns each connection to one of the sockets when its first
/// packet arrives. The path of a unix socket leads to the socket that was bound last (`UnixSocketFile`).
/// Concurrency: any task. The socket loop owns the descriptor and closes it.
struct Listener: Sendable, Equatable {
    private enum Kind {
        case tcp
        /// The identity of our socket: only our own file is removed.
        case unix(UnixSocketFile, FileIdentity)
        /// The service manager goes on listening on it.
        case passed
    }

    let endpoint: TableEndpoint
    private let socket: OpenSocket
    private let kind: Kind

    struct ListenerContext: Sendable {
        let settings: LookupSettings
        let passed: ActivationSockets
        let loop: SocketLoop
        let logger: Logger
        let accept: SocketLoop.Accept
        let onExhausted: @Sendable (Int32) -> Void
    }

    /// A socket that the loop accepts from.
    private struct OpenSocket: Sendable {
        let loop: SocketLoop
        let id: SocketLoop.SocketID
        /// The address that was bound.
        let address: SocketAddress?

        func close(acceptsQueue: Bool) async { await loop.stopListening(id, acceptsQueue: acceptsQueue) }
    }

    /// Listens at the address of an endpoint: on one socket, or on all that the service manager passes by its name.
    static func listen(
        at endpoint: TableEndpoint, context: ListenerContext
    ) async throws(ListenError) -> [Listener] {
        do {
            switch endpoint.address {
            case .tcp(let host, let port):
                let descriptor = try boundSocket(host: host, port: port)
                return [Listener(endpoint: endpoint, socket: try serve(descriptor, context: context), kind: .tcp)]
            case .unix(let path):
                return [try await listen(on: UnixSocketFile(path: path), for: endpoint, context: context)]
            case .systemd(let name):
                return try await listen(
                    onPassed: try context.passed.open(name), for: endpoint, context: context)
            }
        } catch {
            throw ListenError(address: endpoint.address, cause: error)
        }
    }

    static func == (left: Listener, right: Listener) -> Bool { left.socket.id == right.socket.id }

    /// The port that was bound, also if the configuration lets the system choose one.
    var port: Int? { socket.address?.port }

    /// The address that was bound; `nil` for a unix socket without a name.
    var address: ListenAddress? {
        switch socket.address {
        case .unixDomainSocket:
            socket.address?.pathname.flatMap { $0.hasPrefix("/") ? .unix(path: $0) : nil }
        case .v4, .v6:
            socket.address.flatMap { address in
                guard let host = address.ipAddress, let port = address.port else { return nil }
                return .tcp(host: host, port: port)
            }
        case nil: nil
        }
    }

    /// Whether both have the same address and port, so that the kernel would spread connections between two tables.
    func sharesPort(with other: Listener) -> Bool {
        guard case .tcp = kind, case .tcp = other.kind else { return false }
        return socket.address == other.socket.address
    }

    // MARK: Binding

    /// Another process can share the port only if it belongs to the same user. For any other process binding fails.
    private static func boundSocket(host: String, port: Int) throws -> Int32 {
        // The resolver may write an IPv4 address as an IPv6 one.
        let literal = try? SocketAddress(ipAddress: host, port: port)
        let address = try literal ?? SocketAddress.makeAddressResolvingHost(host, port: port)
        let family = address.protocol == .inet6 ? AF_INET6 : AF_INET
        let descriptor = Glibc.socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw BindError.system(errno) }
        var on: Int32 = 1
        let length = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, length)
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, length)
        // [::] is IPv6 alone, so that 0.0.0.0 can be bound too.
        if host.contains(":") { setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &on, length) }
        guard address.withSockAddr({ Glibc.bind(descriptor, $0, socklen_t($1)) }) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw BindError.system(code)
        }
        return descriptor
    }

    /// The socket listens before it gets its path, with its mode and group: Postfix never finds a path that refuses it.
    private static func listen(
        on file: UnixSocketFile, for endpoint: TableEndpoint, context: ListenerContext
    ) async throws -> Listener {
        switch try file.occupant() {
        case .nothing, .unusedSocket, .servedSocket(isOurs: true): break
        case .servedSocket(isOurs: false): throw BindError.servedByAnotherUser
        case .otherFile: throw BindError.notASocket(path: file.path)
        }
        file.removeUnusedNames()
        let (temporary, descriptor) = try file.bindBeside(backlog: usualBacklog)
        do {
            try context.settings.applyRights(to: temporary.path, logger: context.logger)
        } catch {
            Glibc.close(descriptor)
            temporary.remove()
            throw error
        }
        var socket: OpenSocket?
        do {
            let open = try serve(descriptor, context: context)
            socket = open
            guard let identity = temporary.identity else { throw BindError.system(ENOENT) }
            try file.replace(with: temporary)
            return Listener(endpoint: endpoint, socket: open, kind: .unix(file, identity))
        } catch {
            await socket?.close(acceptsQueue: false)
            temporary.remove()
            throw error
        }
    }

    /// Listens on all of these descriptors, or on none. After an error all of them are closed.
    static func listen(
        onPassed descriptors: [Int32], for endpoint: TableEndpoint, context: ListenerContext
    ) async throws -> [Listener] {
        var listeners: [Listener] = []
        for (index, descriptor) in descriptors.enumerated() {
            do {
                let socket = try serve(descriptor, backlog: maximumBacklog, context: context)
                listeners.append(Listener(endpoint: endpoint, socket: socket, kind: .passed))
            } catch {
                // This descriptor is closed already.
                for listener in listeners { await listener.close() }
                for unused in descriptors[(index + 1)...] { Glibc.close(unused) }
                throw error
            }
        }
        return listeners
    }

    /// The loop owns the descriptor. After an error it is closed.
    private static func serve(
        _ descriptor: Int32, backlog: Int32 = usualBacklog, context: ListenerContext
    ) throws -> OpenSocket {
        // The service manager may have opened it blocking.
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        guard Glibc.listen(descriptor, backlog) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw BindError.system(code)
        }
        let address = SocketAddress(localAddressOf: descriptor)
        let socket = SocketLoop.ListeningSocket(
            descriptor: descriptor, isTCP: address?.port != nil, accept: context.accept,
            onExhausted: context.onExhausted)
        return OpenSocket(loop: context.loop, id: context.loop.listen(on: socket), address: address)
    }

    /// Connections that wait to be accepted: one for each smtp(8) of a large site that starts.
    private static let usualBacklog: Int32 = 1_024

    /// For passed sockets: listen(2) replaces `Backlog=` of the unit, and no call returns it (TCP_INFO does, but not for unix
    /// sockets). The kernel limits it to net.core.somaxconn (listen(2)), so the queue is never shorter than in the unit.
    private static let maximumBacklog = Int32.max

    // MARK: Closing

    /// Lets no new client come by the path of a unix socket: gives the path back to an earlier process that still listens, or
    /// removes it. Leaves it alone if another process has it.
    func releasePath() {
        guard case .unix(let file, let identity) = kind else { return }
        file.release(identity)
    }

    /// Removes the names beside the path of a unix socket that killed processes have left.
    func removeUnusedNames() {
        guard case .unix(let file, _) = kind else { return }
        file.removeUnusedNames()
    }

    /// Accepts the connections in the queue, and closes the socket. Accepted connections stay.
    ///
    /// The kernel resets a TCP connection that it adds to the queue between the last look and the end of listening, some
    /// microseconds later. Measured: 2 resets in 200 restarts under 5,000 connections a second. Postfix connects again by
    /// itself, once, without a warning. With net.ipv4.tcp_migrate_req=1 (ip-sysctl) the kernel resets none.
    func close() async {
        releasePath()
        // The service manager goes on listening on a passed socket: its queue waits for the next process.
        let isPassed = if case .passed = kind { true } else { false }
        await socket.close(acceptsQueue: !isPassed)
    }

    // MARK: The file of a unix socket

    /// Whether the file of a unix socket was removed or replaced, so that no client can connect any more.
    var hasLostFile: Bool {
        guard case .unix(let file, let identity) = kind else { return false }
        return file.hasLost(identity)
    }

    /// Gives the unix socket at the path the mode and group of new settings, unless it is another process's.
    func applyRights(of settings: LookupSettings, logger: Logger) {
        guard case .unix(let file, let identity) = kind, file.identity == identity else { return }
        do {
            try settings.applyRights(to: file.path, logger: logger)
        } catch {
            logger.warning(
                "cannot set the mode of the unix socket",
                metadata: ["path": "\(file.path)", "reason": "\(ListenError.explanation(of: error))"])
        }
    }
}

extension SocketAddress {
    /// The address to which a socket is bound; `nil` for a unix socket without a name.
    fileprivate init?(localAddressOf descriptor: Int32) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutableBytes(of: &storage) { octets in
            octets.withMemoryRebound(to: sockaddr.self) { getsockname(descriptor, $0.baseAddress, &length) }
        }
        guard code == 0 else { return nil }
        switch Int32(storage.ss_family) {
        case AF_INET: self.init(withUnsafeBytes(of: storage) { $0.loadUnaligned(as: sockaddr_in.self) })
        case AF_INET6: self.init(withUnsafeBytes(of: storage) { $0.loadUnaligned(as: sockaddr_in6.self) })
        case AF_UNIX: self.init(withUnsafeBytes(of: storage) { $0.loadUnaligned(as: sockaddr_un.self) })
        default: return nil
        }
    }
}
