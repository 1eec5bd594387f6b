import Glibc
import LocalSystem
import TextFormats

/// One test connection with blocking calls, all bounded by one deadline.
///
/// Errors: `ProbeError`. The connection is closed with its last reference.
final class ProbeSocket {
    enum ProbeError: Error, Equatable {
        /// An errno(3) of connect(2) or a later call.
        case system(Int32)
        /// The host name has no address. The text comes from getaddrinfo(3).
        case noAddress(String)
        case timedOut
        case closed
    }

    enum Transport {
        case stream, datagram
    }

    private let descriptor: Int32
    private let deadline: ContinuousClock.Instant

    private init(family: Int32, _ transport: Transport, until deadline: ContinuousClock.Instant) throws(ProbeError) {
        let type = transport == .stream ? SOCK_STREAM : SOCK_DGRAM
        descriptor = socket(family, Int32(type.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        self.deadline = deadline
        guard descriptor >= 0 else { throw .system(errno) }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    // MARK: Connect

    /// Connects to the first address that accepts the connection.
    static func connected(
        to host: String, port: UInt16, _ transport: Transport = .stream, until deadline: ContinuousClock.Instant
    ) throws(ProbeError) -> ProbeSocket {
        var list: UnsafeMutablePointer<addrinfo>?
        var hints = addrinfo()
        hints.ai_socktype = Int32((transport == .stream ? SOCK_STREAM : SOCK_DGRAM).rawValue)
        hints.ai_flags = AI_NUMERICSERV
        let code = getaddrinfo(host, "\(port)", &hints, &list)
        guard code == 0 else { throw .noAddress(String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(list) }
        var problem = ProbeError.noAddress("no address")
        var next = list
        while let entry = next?.pointee {
            do throws(ProbeError) {
                let socket = try ProbeSocket(family: entry.ai_family, transport, until: deadline)
                try socket.connect(entry.ai_addr, size: entry.ai_addrlen)
                return socket
            } catch {
                problem = error
            }
            next = entry.ai_next
        }
        throw problem
    }

    static func connected(toSocket path: String, until deadline: ContinuousClock.Instant) throws(ProbeError)
        -> ProbeSocket
    {
        guard let address = UnixAddress(path: path) else { throw .system(ENAMETOOLONG) }
        let socket = try ProbeSocket(family: AF_UNIX, .stream, until: deadline)
        let result: Result<Void, ProbeError> = address.withPointer { pointer, size in
            Result { () throws(ProbeError) in try socket.connect(pointer, size: size) }
        }
        try result.get()
        return socket
    }

    private func connect(_ address: UnsafePointer<sockaddr>?, size: socklen_t) throws(ProbeError) {
        guard Glibc.connect(descriptor, address, size) != 0 else { return }
        guard errno == EINPROGRESS || errno == EINTR else { throw .system(errno) }
        try wait(for: POLLOUT)
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        guard code == 0 else { throw .system(code) }
    }

    // MARK: Transfer

    func send(_ octets: [UInt8]) throws(ProbeError) {
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

    /// Receives the available octets; of a datagram all.
    func receive(atMost limit: Int) throws(ProbeError) -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: limit)
        while true {
            try wait(for: POLLIN)
            let count = recv(descriptor, &octets, limit, 0)
            if count > 0 { return Array(octets[..<count]) }
            if count == 0 { throw .closed }
            guard errno == EAGAIN || errno == EINTR else { throw .system(errno) }
        }
    }

    private func wait(for event: Int32) throws(ProbeError) {
        var polled = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        while true {
            let rest = deadline - .now
            guard rest > .zero else { throw .timedOut }
            let count = poll(&polled, 1, rest.millisecondsRoundedUp)
            if count > 0 { return }
            guard count == 0 || errno == EINTR else { throw .system(errno) }
        }
    }
}

extension ProbeSocket.ProbeError: CustomStringConvertible {
    var description: String {
        switch self {
        case .system(let code): String(cString: strerror(code))
        case .noAddress(let reason): reason
        case .timedOut: "no answer in time"
        case .closed: "the connection was closed"
        }
    }
}
