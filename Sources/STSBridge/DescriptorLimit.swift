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
}
