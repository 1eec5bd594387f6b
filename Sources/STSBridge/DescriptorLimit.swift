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
        guard let limit = current else { return wanted }
        return min(wanted, max(limit - dnsSockets - unboundSockets - fetches - ownFiles, 16))
    }

    /// How many sockets open DNS questions may have: what a storm of questions without an answer needs, and a fifth of the
    /// limit at most. At that number the oldest question ends.
    static var dnsSockets: Int { min(16_384, (current ?? .max) / 5) }

    /// libunbound's sockets to our own port: one for each validated question. Its own bound is 8,192.
    private static var unboundSockets: Int { min(8_192, dnsSockets / 2) }

    /// Listeners, event loops, pipes, the log, with room.
    private static let ownFiles = 64

    /// The soft limit; `nil` if the system does not say.
    private static var current: Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return Int(clamping: limit.rlim_cur)
    }
}
