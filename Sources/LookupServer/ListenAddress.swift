/// Where a table is offered: `127.0.0.1:8461`, `[::1]:8461`, `localhost:8461`, `unix:/path` or `systemd:NAME`.
package enum ListenAddress: Hashable, Sendable {
    /// A host name or IP address without brackets, and a port 0…65535; 0 lets the system choose one.
    case tcp(host: String, port: Int)
    case unix(path: String)
    /// The sockets that the service manager passes by this name, however many, wherever they listen.
    case systemd(name: String)

    /// The longest path in octets that fits into `sockaddr_un` with its final NUL (unix(7)), less what `Listener`
    /// appends while it sets the socket's mode.
    package static let maximumPath = 107 - temporarySuffix.utf8.count
    static let temporarySuffix = ".new"

    package struct Malformed: Error, Equatable, Sendable, CustomStringConvertible {
        package let description: String
    }

    package init(_ text: String) throws(Malformed) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst("unix:".count))
            guard path.hasPrefix("/"), !path.utf8.contains(0), path.utf8.count <= Self.maximumPath else {
                throw Malformed(description: "an absolute path of at most \(Self.maximumPath) octets after unix:")
            }
            self = .unix(path: path)
            return
        }
        if text.hasPrefix("systemd:") {
            let name = String(text.dropFirst("systemd:".count))
            guard Self.isDescriptorName(name) else {
                throw Malformed(description: "the FileDescriptorName= of a .socket unit after systemd:")
            }
            self = .systemd(name: name)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65_535).contains(port)
        else { throw Malformed(description: Self.forms) }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw Malformed(description: Self.forms)
        }
        guard !host.isEmpty else { throw Malformed(description: Self.forms) }
        self = .tcp(host: String(host), port: port)
    }

    /// As sd_pid_notify_with_fds(3) has it: ASCII without control characters and colons, at most 255.
    private static func isDescriptorName(_ name: String) -> Bool {
        let colon = UInt8(ascii: ":")
        return (1...255).contains(name.utf8.count) && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != colon }
    }

    package static let forms = "host:port, [IPv6]:port, unix:/path or systemd:NAME"
}

extension ListenAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        case .systemd(let name): "systemd:\(name)"
        }
    }
}
