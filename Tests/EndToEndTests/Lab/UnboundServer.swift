import Foundation

/// A validating resolver, as a site that uses DANE has it beside Postfix: unbound, which believes in the laboratory's
/// root. It remembers nothing, so that what a test publishes is seen at once.
actor UnboundServer {
    static let address = "127.0.0.64"

    private let configuration: String
    private let log: LogFile
    private var process: ChildProcess?

    /// - Parameters:
    ///   - server: the address that all questions are sent to.
    ///   - trustAnchorFile: DS records of the root.
    ///   - address: where it listens.
    ///   - silent: names below which no question is ever answered, each with the dot at its end.
    init(
        in directory: String, asking server: String, trustAnchorFile: String, at address: String = address,
        silent: [String] = []
    ) throws {
        let silence = silent.map { "forward-zone:\n    name: \"\($0)\"\n    forward-addr: \(Silence.resolver)\n" }
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
        try (text + silence.joined()).write(toFile: configuration, atomically: false, encoding: .utf8)
    }

    func start() async throws {
        let process = try ChildProcess("/usr/sbin/unbound", ["-d", "-c", configuration], log: log)
        self.process = process
        _ = try await eventually("unbound starts") { [log] in
            if let status = process.status { throw LabFailure("unbound ended with \(status): \(log.text())") }
            return log.text().contains("start of service") ? true : nil
        }
    }

    func stop() async throws {
        try await process?.end()
        process = nil
    }
}
