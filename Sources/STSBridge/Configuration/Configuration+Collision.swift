import Discovery
import LookupServer

extension Configuration {
    /// The first two keys that name one address or one file, in words; `nil` where there are none.
    ///
    /// Of one address two listeners cannot both be served, or at random.
    var collision: (keys: [String], problem: String)? {
        let all = endpoints
        for (index, second) in all.enumerated() {
            guard let first = all[..<index].first(where: { $0.collides(with: second) }) else { continue }
            return ([first.key, second.key], Self.problem(first, second) + "; expected an address of its own for each")
        }
        return nil
    }

    private static func problem(_ first: Endpoint, _ second: Endpoint) -> String {
        guard first.normalized == second.normalized else {
            return "\(first.address) under \(first.key) and \(second.address) under \(second.key) overlap"
        }
        let keys = first.key == second.key ? first.key : "\(first.key) and \(second.key)"
        return "\(first.address) is named twice, under \(keys)"
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

/// What one key says that the daemon takes for itself: an address, or the name of a file.
private struct Endpoint {
    let key: String
    let address: ListenAddress
    /// In one spelling.
    let normalized: ListenAddress
    /// `[::]` takes the port of all IPv4 addresses too. The lookup listeners' `[::]` is IPv6 alone.
    let isDualStack: Bool

    init(key: String, address: ListenAddress, isDualStack: Bool = false) {
        self.key = key
        self.address = address
        self.isDualStack = isDualStack
        normalized =
            switch address {
            case .tcp(let host, let port):
                .tcp(host: IPAddress(host).map { "\($0)" } ?? host.lowercased(), port: port)
            case .unix(let path): .unix(path: Self.withoutEmptySteps(path))
            case .systemd: address
            }
    }

    /// `/run//a/./socket` is `/run/a/socket`. Links are not followed: they are not in the configuration.
    private static func withoutEmptySteps(_ path: String) -> String {
        "/" + path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    func collides(with other: Endpoint) -> Bool {
        guard case .tcp(let host, let port) = normalized, case .tcp(let otherHost, port) = other.normalized else {
            return normalized == other.normalized
        }
        // Of port 0 each gets a port of its own.
        guard port != 0 else { return false }
        guard host != otherHost else { return true }
        // Which address another name has is not known here.
        guard let one = IPAddress(host), let two = IPAddress(otherHost) else { return false }
        return covers(one, two) || other.covers(two, one)
    }

    /// Whether `own`, the address of this one, is a wildcard that includes `other`.
    private func covers(_ own: IPAddress, _ other: IPAddress) -> Bool {
        guard own.octets.allSatisfy({ $0 == 0 }) else { return false }
        return own.isIPv6 == other.isIPv6 || own.isIPv6 && isDualStack
    }
}
