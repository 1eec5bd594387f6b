import Foundation

/// A validating resolver for a site with DANE: unbound with the root of the test network as trust anchor. It caches
/// nothing, so that it sees new records at once.
actor UnboundServer {
    static let address = "127.0.0.64"

    private let configuration: String
    private let log: LogFile
    private var process: ChildProcess?

    /// - Parameters:
    ///   - server: the address to which it forwards all queries.
    ///   - trustAnchorFile: DS records of the root.
    ///   - address: its own address.
    ///   - silent: domains without any answer, each with a final dot.
    init(
        in directory: String, asking server: String, trustAnchorFile: String, at address: String = address,
        silent: [String] = []
    ) throws {
        let silentZones = silent.map {
            "forward-zone:\n    name: \"\($0)\"\n    forward-addr: \(SilentAddresses.resolver)\n"
        }
        configuration = directory + "/unbound.conf"
        log = LogFile(path: directory + "/unbound.log")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let text = """
            server:
                directory: "\(directory)"
                chroot: ""
                username: ""
                pidfile: ""
                use-syslog: no
                do-daemonize: no
                num-threads: 1
                interface: \(address)
                access-control: 127.0.0.0/8 allow
                do-not-query-localhost: no
                trust-anchor-file: "\(trustAnchorFile)"
                cache-max-ttl: 0
                cache-max-negative-ttl: 0
            remote-control:
                control-enable: no
            forward-zone:
                name: "."
                forward-addr: \(server)
                forward-no-cache: yes

            """
        try (text + silentZones.joined()).write(toFile: configuration, atomically: false, encoding: .utf8)
    }

    func start() async throws {
        let process = try ChildProcess("/usr/sbin/unbound", arguments: ["-d", "-c", configuration], log: log)
        self.process = process
        _ = try await eventually("unbound starts") { [log] in
            if let status = process.status { throw TestNetworkError("unbound ended with \(status): \(log.text())") }
            return log.text().contains("start of service") ? true : nil
        }
    }

    func stop() async throws {
        try await process?.end()
        process = nil
    }
}
