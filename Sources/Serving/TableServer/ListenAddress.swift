import LocalSystem
import UnixSockets

/// An address of a table: `127.0.0.1:8461`, `[::1]:8461`, `localhost:8461`, `unix:/path` or `systemd:NAME`.
package enum ListenAddress: Hashable, Sendable {
    /// A host name or IP address without brackets, and a port 0…65535. With 0 the system chooses one.
    case tcp(host: String, port: Int)
    case unix(path: String)
    /// All sockets that the service manager passes by this name, wherever they listen.
    case systemd(name: String)

    /// In octets: the size of `sun_path` without its final NUL (unix(7)), minus the suffix of the name under which the socket
    /// is bound first.
    package static let maximumPath = UnixAddress.maximumLength - UnixSocketFile.temporarySuffixLength

    /// A text that is not an address. The description says what is expected.
    package struct FormatError: Error, Equatable, Sendable, CustomStringConvertible {
        package let description: String
    }

    package init(_ text: String) throws(FormatError) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst("unix:".count))
            guard path.hasPrefix("/"), !path.utf8.contains(0), path.utf8.count <= Self.maximumPath else {
                throw FormatError(description: "an absolute path of at most \(Self.maximumPath) octets after unix:")
            }
            self = .unix(path: path)
            return
        }
        if text.hasPrefix("systemd:") {
            let name = String(text.dropFirst("systemd:".count))
            guard Self.isDescriptorName(name) else {
                throw FormatError(description: "the FileDescriptorName= of a .socket unit after systemd:")
            }
            self = .systemd(name: name)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65_535).contains(port)
        else { throw FormatError(description: Self.forms) }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw FormatError(description: Self.forms)
        }
        guard !host.isEmpty else { throw FormatError(description: Self.forms) }
        self = .tcp(host: String(host), port: port)
    }

    /// As in sd_pid_notify_with_fds(3): ASCII without control characters and colons, at most 255.
    private static func isDescriptorName(_ name: String) -> Bool {
        let colon = UInt8(ascii: ":")
        return (1...255).contains(name.utf8.count) && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != colon }
    }

    package static let forms = "host:port, [IPv6]:port, unix:/path or systemd:NAME"
}

extension ListenAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tcp(let host, let port): TCPAddress(host: host, port: port).description
        case .unix(let path): "unix:\(path)"
        case .systemd(let name): "systemd:\(name)"
        }
    }
}
