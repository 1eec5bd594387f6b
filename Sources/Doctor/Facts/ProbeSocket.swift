import Glibc

/// One connection that is tried out: blocking calls, each bounded by the one deadline.
///
/// Fails by: `Trouble`. Closed when it is let go.
final class ProbeSocket {
    enum Trouble: Error, Equatable {
        /// errno(3): at a connect, or later.
        case system(Int32)
        /// The host's name has no address; getaddrinfo(3)'s words.
        case noAddress(String)
        case timeIsUp
        case closed
    }

    enum Transport {
        case stream, datagram
    }

    private let descriptor: Int32
    private let deadline: ContinuousClock.Instant

    private init(family: Int32, _ transport: Transport, until deadline: ContinuousClock.Instant) throws(Trouble) {
        let type = transport == .stream ? SOCK_STREAM : SOCK_DGRAM
        descriptor = socket(family, Int32(type.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        self.deadline = deadline
        guard descriptor >= 0 else { throw .system(errno) }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    // MARK: Connect

    /// The first address that takes the connection.
    static func connected(
        to host: String, port: UInt16, _ transport: Transport = .stream, until deadline: ContinuousClock.Instant
    ) throws(Trouble) -> ProbeSocket {
        var list: UnsafeMutablePointer<addrinfo>?
        var hints = addrinfo()
        hints.ai_socktype = Int32((transport == .stream ? SOCK_STREAM : SOCK_DGRAM).rawValue)
        hints.ai_flags = AI_NUMERICSERV
        let code = getaddrinfo(host, "\(port)", &hints, &list)
        guard code == 0 else { throw .noAddress(String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(list) }
        var trouble = Trouble.noAddress("no address")
        var next = list
        while let entry = next?.pointee {
            do throws(Trouble) {
                let socket = try ProbeSocket(family: entry.ai_family, transport, until: deadline)
                try socket.connect(entry.ai_addr, entry.ai_addrlen)
                return socket
            } catch {
                trouble = error
            }
            next = entry.ai_next
        }
        throw trouble
    }

    static func connected(toSocket path: String, until deadline: ContinuousClock.Instant) throws(Trouble) -> ProbeSocket
    {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // With its final NUL it has to fit.
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { throw .system(ENAMETOOLONG) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let socket = try ProbeSocket(family: AF_UNIX, .stream, until: deadline)
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result: Result<Void, Trouble> = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                Result { () throws(Trouble) in try socket.connect(pointer, size) }
            }
        }
        try result.get()
        return socket
    }

    private func connect(_ address: UnsafePointer<sockaddr>?, _ size: socklen_t) throws(Trouble) {
        guard Glibc.connect(descriptor, address, size) != 0 else { return }
        guard errno == EINPROGRESS || errno == EINTR else { throw .system(errno) }
        try wait(for: POLLOUT)
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        guard code == 0 else { throw .system(code) }
    }

    // MARK: Talk

    func send(_ octets: [UInt8]) throws(Trouble) {
        var rest = octets[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent > 0 {
                rest = rest.dropFirst(sent)
            } else if errno == EAGAIN {
                try wait(for: POLLOUT)
            } else if errno != EINTR {
                throw .system(errno)
            }
        }
    }

    /// What has come; of a datagram all.
    func receive(atMost limit: Int) throws(Trouble) -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: limit)
        while true {
            try wait(for: POLLIN)
            let count = recv(descriptor, &octets, limit, 0)
            if count > 0 { return Array(octets[..<count]) }
            if count == 0 { throw .closed }
            guard errno == EAGAIN || errno == EINTR else { throw .system(errno) }
        }
    }

    private func wait(for event: Int32) throws(Trouble) {
        var polled = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        while true {
            let rest = deadline - .now
            guard rest > .zero else { throw .timeIsUp }
            let milliseconds = rest.components.seconds * 1_000 + rest.components.attoseconds / 1_000_000_000_000_000
            let count = poll(&polled, 1, Int32(clamping: milliseconds + 1))
            if count > 0 { return }
            guard count == 0 || errno == EINTR else { throw .system(errno) }
        }
    }
}

extension ProbeSocket.Trouble: CustomStringConvertible {
    var description: String {
        switch self {
        case .system(let code): String(cString: strerror(code))
        case .noAddress(let words): words
        case .timeIsUp: "no answer in time"
        case .closed: "the connection was closed"
        }
    }
}
