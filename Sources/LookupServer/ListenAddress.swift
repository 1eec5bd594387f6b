/// Where a table is offered: `127.0.0.1:8461`, `[::1]:8461`, `localhost:8461` or `unix:/path`.
package enum ListenAddress: Hashable, Sendable {
    /// A host name or IP address without brackets, and a port 0…65535; 0 lets the system choose one.
    case tcp(host: String, port: Int)
    case unix(path: String)

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

    private static let forms = "host:port, [IPv6]:port or unix:/path"
}

extension ListenAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
