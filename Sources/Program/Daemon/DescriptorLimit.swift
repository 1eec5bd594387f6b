import AdminServer
import BridgeConfiguration
import Glibc
import Monitoring

/// The limit of open files (RLIMIT_NOFILE), and its distribution among connections, DNS queries and fetches.
///
/// The usual soft limit of 1,024 is too low for one busy Postfix.
package enum DescriptorLimit {
    /// Raises the soft limit to the hard limit. If the system refuses, the old limit stays.
    package static func raise() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// Returns the number of Postfix connections that the limit allows: at most `wanted`, at least 16.
    ///
    /// - Parameters:
    ///   - fetches: `fetch.max-in-flight`.
    ///   - operators: connections to the admin socket and to `http.listen`, together.
    static func connections(wanted: Int, fetches: Int, operators: Int) -> Int {
        connections(wanted: wanted, fetches: fetches, operators: operators, limit: current)
    }

    /// - Parameter limit: the soft limit; `nil`: unknown.
    static func connections(wanted: Int, fetches: Int, operators: Int, limit: Int?) -> Int {
        guard let limit else { return wanted }
        let dns = dnsSockets(limit: limit)
        return min(wanted, max(limit - dns - unboundSockets(nextTo: dns) - fetches - operators - ownFiles, 16))
    }

    /// The maximum number of sockets for DNS queries: enough for a burst of unanswered queries, at most a fifth of the
    /// limit. At the maximum, the oldest query is cancelled.
    static var dnsSockets: Int { dnsSockets(limit: current) }

    private static func dnsSockets(limit: Int?) -> Int { min(16_384, (limit ?? .max) / 5) }

    /// The number of libunbound's sockets to our local port: one for each validated query. libunbound's own maximum is
    /// 8,192. Two contexts share the number, because the port accepts no more queries than that (see DNSClient).
    private static func unboundSockets(nextTo dnsSockets: Int) -> Int { min(8_192, dnsSockets / 2) }

    /// Listeners, event loops, pipes, the log, the cache file, two libunbound contexts, and a reserve.
    private static let ownFiles = 64

    /// The soft limit; `nil` if getrlimit(2) fails.
    private static var current: Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return Int(clamping: limit.rlim_cur)
    }
}

extension Configuration {
    /// The maximum number of connections to the admin socket and to `http.listen`, together.
    var operatorConnections: Int {
        (adminSocket == nil ? 0 : AdminService.Limits().connections)
            + httpListen.count * MonitoringSettings().maximumConnections
    }
}
