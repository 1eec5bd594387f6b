import Glibc

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

    /// How many connections can be had beside what discoveries take: at most `wanted`, at least 16.
    static func connections(wanted: Int, fetches: Int) -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return wanted }
        let free = Int(clamping: limit.rlim_cur) - resolvers * resolverSockets - fetches - ownFiles
        return min(wanted, max(free, 16))
    }

    /// One that validates, one that does not; and the first one's successor, while it takes over.
    private static let resolvers = 3
    /// libunbound's `outgoing-range`: a socket for each query under way. Where the limit is low, queries wait for sockets.
    private static let resolverSockets = 1_024
    /// Listeners, event loops, pipes, the log, with room.
    private static let ownFiles = 64
}
