import Glibc
import Logging
import NIOCore
import NIOPosix
import ServiceManager
import UnixSockets

/// One table at one address.
package struct TablePlace: Hashable, Sendable {
    package let address: ListenAddress
    package let table: TableProtocol
}

/// One listening socket.
///
/// Concurrency: any task; what is done with the descriptor is done on the channel's event loop, which closes it.
struct Listener: Sendable, Equatable {
    private enum Kind {
        case tcp
        /// The name it is to have, and the device and inode of the socket: only our own is moved or removed.
        case unix(SocketFile, FileIdentity)
        /// The service manager's: it goes on listening without us.
        case passed
    }

    let place: TablePlace
    let channel: any Channel
    private let descriptor: Int32
    private let kind: Kind

    /// What listening takes beside an address.
    struct Surroundings: Sendable {
        let settings: LookupSettings
        let tenure: Tenure
        let passed: PassedSockets
        let group: any EventLoopGroup
        let logger: Logger
    }

    /// Listens at the place's address: with one socket, or with all that the service manager passes by its name.
    /// Connections get the handlers that `initializer` adds.
    ///
    /// - Throws: `ListenFailure`.
    static func listen(
        _ place: TablePlace, in surroundings: Surroundings,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws(ListenFailure) -> [Listener] {
        do {
            switch place.address {
            case .tcp(let host, let port):
                let descriptor = try bound(host, port, surroundings.tenure)
                let channel = try await serve(descriptor, surroundings, initializer)
                if surroundings.tenure == .inCharge { PortSharing.steer(descriptor, to: PortSharing.first) }
                return [Listener(place: place, channel: channel, descriptor: descriptor, kind: .tcp)]
            case .unix(let path):
                return [try await unix(SocketFile(path: path), place, surroundings, initializer)]
            case .systemd(let name):
                return try await passed(try surroundings.passed.open(name), place, surroundings, initializer)
            }
        } catch {
            throw ListenFailure(address: place.address, error: error)
        }
    }

    static func == (one: Listener, other: Listener) -> Bool { one.channel === other.channel }

    /// The port that was bound, also where the configuration left the choice to the system.
    var port: Int? { channel.localAddress?.port }

    /// Where it really is; `nil` for a unix socket without a name.
    var address: ListenAddress? {
        switch channel.localAddress {
        case .unixDomainSocket:
            channel.localAddress?.pathname.flatMap { $0.hasPrefix("/") ? .unix(path: $0) : nil }
        case .v4, .v6:
            channel.localAddress.flatMap { address in
                guard let host = address.ipAddress, let port = address.port else { return nil }
                return .tcp(host: host, port: port)
            }
        case nil: nil
        }
    }

    // MARK: Making

    /// One in charge binds the port while it is nobody else's, and shares it only then: so it is an error as ever when
    /// a stranger has it, or a daemon with another archive.
    private static func bound(_ host: String, _ port: Int, _ tenure: Tenure) throws -> Int32 {
        // The resolver may write an IPv4 address as an IPv6 one.
        let literal = try? SocketAddress(ipAddress: host, port: port)
        let address = try literal ?? SocketAddress.makeAddressResolvingHost(host, port: port)
        let family = address.protocol == .inet6 ? AF_INET6 : AF_INET
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw ListenFailure.Reason.system(errno) }
        do {
            var on: Int32 = 1
            let length = socklen_t(MemoryLayout<Int32>.size)
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, length)
            // [::] is IPv6 alone, so that 0.0.0.0 can stand beside it.
            if host.contains(":") { setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &on, length) }
            if tenure == .heir { try PortSharing.open(descriptor) }
            let result = address.withSockAddr { Glibc.bind(descriptor, $0, socklen_t($1)) }
            guard result == 0 else { throw ListenFailure.Reason.system(errno) }
            if tenure == .inCharge { try PortSharing.open(descriptor) }
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        return descriptor
    }

    /// A unix socket appears under its name with its mode and group set, by rename, so that at no time a stranger may
    /// connect, and Postfix never finds it missing. An heir's stays beside a name that is served.
    private static func unix(
        _ file: SocketFile, _ place: TablePlace, _ surroundings: Surroundings,
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> Listener {
        let isServed = try file.isServed()
        guard !isServed || surroundings.tenure == .heir else { throw ListenFailure.Reason.alreadyServed }
        guard try !file.beside.isServed() else { throw ListenFailure.Reason.alreadyAwaited }
        let descriptor = try bound(file.beside, surroundings)
        guard let identity = file.beside.identity else {
            Glibc.close(descriptor)
            throw ListenFailure.Reason.system(ENOENT)
        }
        let channel = try await serve(descriptor, surroundings, initializer)
        do {
            if !isServed { try file.beside.move(to: file) }
        } catch {
            try? await channel.close()
            file.beside.remove()
            throw error
        }
        return Listener(place: place, channel: channel, descriptor: descriptor, kind: .unix(file, identity))
    }

    /// With its mode and group: as soon as it listens, the one in charge may give it its name.
    private static func bound(_ file: SocketFile, _ surroundings: Surroundings) throws -> Int32 {
        let descriptor = try file.bindPrivately()
        do {
            try surroundings.settings.applyRights(to: file.path, logger: surroundings.logger)
        } catch {
            Glibc.close(descriptor)
            file.remove()
            throw error
        }
        return descriptor
    }

    /// Listens with all of these descriptors, or with none. They are ours: after an error all of them are closed.
    static func passed(
        _ descriptors: [Int32], _ place: TablePlace, _ surroundings: Surroundings,
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> [Listener] {
        var listeners: [Listener] = []
        for (index, descriptor) in descriptors.enumerated() {
            // The manager may have opened it blocking.
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
            do {
                let channel = try await serve(descriptor, surroundings, backlog: maximumBacklog, initializer)
                listeners.append(Listener(place: place, channel: channel, descriptor: descriptor, kind: .passed))
            } catch {
                // All of them, or none. This one is closed.
                for listener in listeners { await listener.close() }
                for unused in descriptors[(index + 1)...] { Glibc.close(unused) }
                throw error
            }
        }
        return listeners
    }

    /// The descriptor is the channel's; after an error it is closed.
    private static func serve(
        _ descriptor: Int32, _ surroundings: Surroundings, backlog: Int32 = usualBacklog,
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> any Channel {
        // Here, because NIO leaves the descriptor open when it cannot listen; after other errors NIO closes it.
        guard Glibc.listen(descriptor, backlog) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw ListenFailure.Reason.system(code)
        }
        let channel = try await ServerBootstrap(group: surroundings.group)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                guard channel.localAddress?.port != nil else { return initializer(channel) }
                return channel.setOption(.tcpOption(.tcp_nodelay), value: 1).flatMap { initializer(channel) }
            }
            .withBoundSocket(descriptor).get()
        // NIO has listened with a number of its own.
        Glibc.listen(descriptor, backlog)
        return channel
    }

    /// Connections that wait to be accepted: one for each smtp(8) of a large site that starts anew.
    private static let usualBacklog: Int32 = 1_024

    /// For passed sockets, whose `Backlog=` NIO replaces and nothing reads (TCP_INFO has it, unix sockets do not): the kernel
    /// takes net.core.somaxconn for it (listen(2)), so the queue is never shorter than the unit has it.
    private static let maximumBacklog = Int32.max

    // MARK: Succession

    /// The heir is in charge from now on: it takes the address where nobody has given it, and shares it in its turn.
    func takeCharge() async {
        switch kind {
        case .tcp: await onEventLoop { PortSharing.steer($0, to: PortSharing.first) }
        case .unix(let file, let identity):
            guard file.identity != identity, file.beside.identity == identity else { return }
            try? file.beside.move(to: file)
        case .passed: break
        }
    }

    /// The one in charge is to end: new connections are the heir's, if there is one.
    func yieldToHeir() async {
        switch kind {
        case .tcp: await onEventLoop { PortSharing.steer($0, to: PortSharing.second) }
        case .unix(let file, _): if ownFile == file { file.yieldToHeir() }
        case .passed: break
        }
    }

    /// Returns when all connections that were made to this socket are accepted, or after a second.
    func acceptWhatIsQueued() async {
        if case .passed = kind { return }
        // A first packet that chose this socket has its connection queued a round trip later.
        let isTCP = if case .tcp = kind { true } else { false }
        let since = NIODeadline.now() + (isTCP ? Self.handshake : .zero)
        let done = channel.eventLoop.makePromise(of: Void.self)
        let (channel, descriptor, deadline) = (channel, descriptor, since + Self.patience)
        channel.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(1)) { task in
            let now = NIODeadline.now()
            guard channel.isActive, now < deadline else { return task.cancel(promise: done) }
            var look = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if now >= since, poll(&look, 1, 0) == 0 { task.cancel(promise: done) }
        }
        try? await done.futureResult.get()
    }

    private static let handshake = TimeAmount.milliseconds(50)
    private static let patience = TimeAmount.seconds(1)

    private func onEventLoop(_ body: @escaping @Sendable (Int32) -> Void) async {
        let (channel, descriptor) = (channel, descriptor)
        try? await channel.eventLoop.submit { if channel.isActive { body(descriptor) } }.get()
    }

    // MARK: Life

    /// Takes no more connections; those there are stay.
    func close() async {
        // It may be closed already; then there is nothing to do.
        try? await channel.close()
        ownFile?.remove()
    }

    /// Where our unix socket stands, while it does.
    private var ownFile: SocketFile? {
        guard case .unix(let file, let identity) = kind else { return nil }
        return file.place(of: identity)
    }

    /// Whether the file of a unix socket was removed or replaced, so that no client can come any more.
    var hasLostFile: Bool {
        guard case .unix(let file, let identity) = kind else { return false }
        return file.hasLost(identity)
    }

    /// Gives a unix socket that stands the mode and group of new settings.
    func applyRights(_ settings: LookupSettings, logger: Logger) {
        guard let path = ownFile?.path else { return }
        do {
            try settings.applyRights(to: path, logger: logger)
        } catch {
            logger.warning(
                "cannot set the mode of the unix socket",
                metadata: ["path": "\(path)", "reason": "\(ListenFailure.cause(error))"])
        }
    }
}
