import Foundation

/// The laboratory's DNS: knotd, authoritative for everything below `example.`.
///
/// Everyone asks it: Postfix through resolv.conf, the bridge through `dns.servers`.
/// `broken.example.` is a zone that it should have and has not: SERVFAIL for every name below.
actor KnotServer {
    static let address = "127.0.0.53"
    static let addressIPv6 = "::1"

    private let directory: String
    private var process: ChildProcess?
    private var serial = 1

    private var configuration: String { directory + "/knot.conf" }

    init(in directory: String) throws {
        self.directory = directory
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let text = """
            server:
                listen: [ \(Self.address)@53, \(Self.addressIPv6)@53 ]
                rundir: \(directory)
                udp-workers: 1
                tcp-workers: 1
                background-workers: 1
            control:
                listen: \(directory)/knot.sock
            database:
                storage: \(directory)
            log:
              - target: stderr
                any: info
            template:
              - id: default
                storage: \(directory)
                zonefile-sync: -1
                zonefile-load: whole
                journal-content: none
            zone:
              - domain: example.
                file: example.zone
              - domain: broken.example.
                file: missing.zone

            """
        try text.write(toFile: directory + "/knot.conf", atomically: false, encoding: .utf8)
    }

    func start(serving lines: [String]) async throws {
        try write(lines)
        try await start()
    }

    /// Starts with the zone it had.
    func start() async throws {
        let log = LogFile(path: directory + "/knot.log")
        let offset = log.end
        let process = try ChildProcess("/usr/sbin/knotd", ["-c", configuration], log: log)
        self.process = process
        _ = try await eventually("knotd serves the zone") {
            if process.status != nil { throw LabFailure("knotd ended: \(log.text(from: offset))") }
            let text = log.text(from: offset)
            return text.contains("[example.] loaded") && text.contains("server started") ? true : nil
        }
        _ = try await eventually("knotd answers its control socket") { [configuration] in
            try await ChildProcess.run("/usr/sbin/knotc", ["-c", configuration, "status"]).status == 0 ? true : nil
        }
    }

    /// Replaces the zone; when this returns, it is being served.
    func serve(_ lines: [String]) async throws {
        try write(lines)
        try await ChildProcess.must("/usr/sbin/knotc", ["-c", configuration, "-b", "zone-reload", "example."])
    }

    func stop() async throws {
        try await process?.end()
        process = nil
    }

    private func write(_ lines: [String]) throws {
        serial += 1
        let head = [
            "$ORIGIN .", "$TTL 300",
            "example. SOA ns.example. hostmaster.example. \(serial) 3600 600 86400 300",
            "example. NS ns.example.", "ns.example. A \(Self.address)",
        ]
        let text = (head + lines).joined(separator: "\n") + "\n"
        try text.write(toFile: directory + "/example.zone", atomically: false, encoding: .utf8)
    }
}
