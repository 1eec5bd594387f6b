import Discovery
import TableServer

extension Configuration {
    /// The first two keys that name the same address or file, with a message; `nil` if there are none.
    var addressConflict: (keys: [String], problem: String)? {
        let all = endpoints
        for (index, second) in all.enumerated() {
            guard let first = all[..<index].first(where: { $0.conflicts(with: second) }) else { continue }
            return (
                [first.key, second.key],
                Self.problem(between: first, and: second) + "; each needs an address of its own"
            )
        }
        return nil
    }

    private static func problem(between first: Endpoint, and second: Endpoint) -> String {
        guard first.normalized == second.normalized else {
            return "\(first.address) (\(first.key)) and \(second.address) (\(second.key)) overlap"
        }
        let keys = first.key == second.key ? first.key : "\(first.key) and \(second.key)"
        return "\(first.address) is used twice, in \(keys)"
    }

    private var endpoints: [Endpoint] {
        var all = socketmap.map { Endpoint(key: "listen.socketmap", address: $0) }
        all += tcpTable.map { Endpoint(key: "listen.tcp-table", address: $0) }
        all += httpListen.map {
            Endpoint(key: "http.listen", address: .tcp(host: $0.host, port: $0.port), isDualStack: true)
        }
        if let adminSocket { all.append(Endpoint(key: "admin.socket", address: .unix(path: adminSocket))) }
        if store == .sqlite { all.append(Endpoint(key: "cache.path", address: .unix(path: cachePath))) }
        return all
    }
}

/// A resource that one key reserves for the daemon: an address, or the name of a file.
private struct Endpoint {
    let key: String
    let address: ListenAddress
    /// The address in one canonical spelling.
    let normalized: ListenAddress
    /// Whether `[::]` reserves the port of all IPv4 addresses too. For the lookup listeners `[::]` is IPv6 alone.
    let isDualStack: Bool

    init(key: String, address: ListenAddress, isDualStack: Bool = false) {
        self.key = key
        self.address = address
        self.isDualStack = isDualStack
        normalized =
            switch address {
            case .tcp(let host, let port):
                .tcp(host: IPAddress(host).map { "\($0)" } ?? host.lowercased(), port: port)
            case .unix(let path): .unix(path: Self.normalized(path))
            case .systemd: address
            }
    }

    /// `/run//a/./socket` becomes `/run/a/socket`. Symbolic links are not followed.
    private static func normalized(_ path: String) -> String {
        "/" + path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    func conflicts(with other: Endpoint) -> Bool {
        guard case .tcp(let host, let port) = normalized, case .tcp(let otherHost, port) = other.normalized else {
            return normalized == other.normalized
        }
        // With port 0 the system gives each listener a port of its own.
        guard port != 0 else { return false }
        guard host != otherHost else { return true }
        // The address of a host name is not known here.
        guard let address = IPAddress(host), let otherAddress = IPAddress(otherHost) else { return false }
        return covers(otherAddress, from: address) || other.covers(address, from: otherAddress)
    }

    /// Whether `own`, the address of this endpoint, is a wildcard that includes `other`.
    private func covers(_ other: IPAddress, from own: IPAddress) -> Bool {
        guard own.octets.allSatisfy({ $0 == 0 }) else { return false }
        return own.isIPv6 == other.isIPv6 || own.isIPv6 && isDualStack
    }
}
