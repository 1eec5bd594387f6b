/// One table of `smtp_tls_policy_maps`.
package struct PolicyTable: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// socketmap_table(5); the map's name is the first word of each request.
        case socketmap(TableAddress, map: String)
        /// tcp_table(5)
        case tcp(TableAddress)
        /// A socketmap or tcp table with which smtp(8) ends with a fatal error. The text names the expected form.
        case malformed(String)
        /// `inline`, `hash`, `static` and all unknown types.
        case other(type: String)
    }

    /// The text in main.cf, without `proxy:`.
    package let text: String
    /// Whether proxymap(8) opens the table. It does not run in the chroot.
    package let isProxied: Bool
    package let kind: Kind

    /// All tables of the parameter's value, in Postfix's search order.
    package static func all(in value: some StringProtocol) -> [PolicyTable] {
        BracedWords.of(value, commas: true).map { PolicyTable($0) }
    }

    package init(_ word: String) {
        isProxied = word.hasPrefix("proxy:")
        text = isProxied ? String(word.dropFirst("proxy:".count)) : word
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let rest = parts.count == 2 ? String(parts[1]) : ""
        switch parts[0] {
        case "socketmap": kind = Self.socketmap(rest)
        case "tcp":
            kind = TableAddress(inet: rest).map { .tcp($0) } ?? .malformed("expected tcp:HOST:PORT")
        default: kind = .other(type: parts.count == 2 ? String(parts[0]) : "")
        }
    }

    /// As in Postfix, the text behind the last colon is the map's name.
    private static func socketmap(_ text: String) -> Kind {
        let forms = "expected socketmap:inet:HOST:PORT:NAME or socketmap:unix:PATH:NAME"
        guard let colon = text.lastIndex(of: ":"), text.index(after: colon) < text.endIndex,
            let address = TableAddress(socketmap: text[..<colon])
        else { return .malformed(forms) }
        return .socketmap(address, map: String(text[text.index(after: colon)...]))
    }
}

/// The address of a table's server, as Postfix's configuration writes it.
package enum TableAddress: Hashable, Sendable {
    /// A host name or IP address without brackets.
    case inet(host: String, port: UInt16)
    /// Absolute, or relative to the queue directory.
    case unix(path: String)

    fileprivate init?(socketmap text: some StringProtocol) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[1].isEmpty else { return nil }
        switch parts[0] {
        case "inet": self.init(inet: parts[1])
        case "unix": self = .unix(path: String(parts[1]))
        default: return nil
        }
    }

    /// `host:port` or `[IPv6]:port`.
    fileprivate init?(inet text: some StringProtocol) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0
        else { return nil }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty else { return nil }
        self = .inet(host: host, port: port)
    }
}

extension TableAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .inet(let host, let port): host.contains(":") ? "inet:[\(host)]:\(port)" : "inet:\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
