import Admin
import Glibc
import Monitoring

/// Each connection and each fetch takes a descriptor; the usual soft limit of 1,024 is less than one busy Postfix needs.
enum DescriptorLimit {
    /// Raises the soft limit to the hard one. Where that is refused the old limit stays and connections are refused
    /// sooner.
    static func raise() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// How many connections Postfix can have beside what else takes descriptors: at most `wanted`, at least 16.
    ///
    /// - Parameters:
    ///   - fetches: `fetch.max-in-flight`.
    ///   - operators: connections to the admin socket and of those that scrape metrics, all together.
    static func connections(wanted: Int, fetches: Int, operators: Int) -> Int {
        connections(wanted: wanted, fetches: fetches, operators: operators, limit: current)
    }

    /// - Parameter limit: the soft limit; `nil`: not known.
    static func connections(wanted: Int, fetches: Int, operators: Int, limit: Int?) -> Int {
        guard let limit else { return wanted }
        let dns = dnsSockets(limit: limit)
        return min(wanted, max(limit - dns - unboundSockets(beside: dns) - fetches - operators - ownFiles, 16))
    }

    /// How many sockets open DNS questions may have: what a storm of questions without an answer needs, and a fifth of the
    /// limit at most. At that number the oldest question ends.
    static var dnsSockets: Int { dnsSockets(limit: current) }

    private static func dnsSockets(limit: Int?) -> Int { min(16_384, (limit ?? .max) / 5) }

    /// libunbound's sockets to our own port: one for each validated question. Its own bound is 8,192. Two contexts share
    /// them: the port takes no more questions than that (see DNSClient).
    private static func unboundSockets(beside dnsSockets: Int) -> Int { min(8_192, dnsSockets / 2) }

    /// Listeners, event loops, pipes, the log, the cache file, the descriptors of two libunbound contexts, with room.
    private static let ownFiles = 64

    /// The soft limit; `nil` if the system does not say.
    private static var current: Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return Int(clamping: limit.rlim_cur)
    }
}

extension Configuration {
    /// Connections to the admin socket and to `http.listen`, at most.
    var operatorConnections: Int {
        (adminSocket == nil ? 0 : AdminService.Limits().connections)
            + httpListen.count * MonitoringSettings().maximumConnections
    }
}
