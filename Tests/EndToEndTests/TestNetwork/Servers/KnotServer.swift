import Foundation

/// A zone of the test network's DNS.
struct KnotZone: Sendable {
    enum State: Sendable {
        case unsigned
        /// Signed by knot when it is loaded.
        case signed
        /// Configured without a zone file: SERVFAIL for every name.
        case missing
    }

    /// With the dot at its end.
    let name: String
    var state = State.unsigned
}

/// An authoritative DNS server of the test network: knotd.
actor KnotServer {
    /// The address of the main server. Postfix has it in resolv.conf, the bridge in `dns.servers`.
    static let address = "127.0.0.53"
    static let addressIPv6 = "::1"

    /// `broken.example.` has no zone file.
    static let zones = [KnotZone(name: "example."), KnotZone(name: "broken.example.", state: .missing)]

    /// The DS records of the signed zones, as text.
    nonisolated let delegationSigners: [String: [String]]
    private let directory: String
    private let zones: [KnotZone]
    private let address: String
    private var process: ChildProcess?
    private var serial = 1

    private var configuration: String { directory + "/knot.conf" }

    /// - Parameter addresses: the first one is also the address of the name server in every zone.
    init(
        in directory: String, at addresses: [String] = [address, addressIPv6], zones: [KnotZone] = zones
    ) async throws {
        self.directory = directory
        self.zones = zones
        address = addresses[0]
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try Self.configuration(directory: directory, addresses: addresses, zones: zones)
            .write(toFile: directory + "/knot.conf", atomically: false, encoding: .utf8)
        var signers: [String: [String]] = [:]
        for zone in zones where zone.state == .signed {
            let keymgr = ["-c", directory + "/knot.conf", zone.name]
            let generation = ["generate", "algorithm=ECDSAP256SHA256", "ksk=yes", "zsk=yes"]
            try await ChildProcess.must("/usr/sbin/keymgr", arguments: keymgr + generation)
            signers[zone.name] = try await ChildProcess.must("/usr/sbin/keymgr", arguments: keymgr + ["ds"])
                .split(separator: "\n").map(String.init)
        }
        delegationSigners = signers
    }

    /// - Parameter lines: the lines of each zone file without SOA and NS; all names absolute.
    func start(serving lines: [String: [String]]) async throws {
        try write(lines)
        try await start()
    }

    /// Starts with the zones of the last run.
    func start() async throws {
        let log = LogFile(path: directory + "/knot.log")
        let offset = log.end
        let process = try ChildProcess("/usr/sbin/knotd", arguments: ["-c", configuration], log: log)
        self.process = process
        _ = try await eventually("knotd serves its zones") { [zones] in
            if process.status != nil { throw TestNetworkError("knotd ended: \(log.text(from: offset))") }
            let text = log.text(from: offset)
            let isLoaded = zones.filter { $0.state != .missing }.allSatisfy { text.contains("[\($0.name)] loaded") }
            return isLoaded && text.contains("server started") ? true : nil
        }
        _ = try await eventually("knotd answers its control socket") { [configuration] in
            try await ChildProcess.run("/usr/sbin/knotc", arguments: ["-c", configuration, "status"]).status == 0
                ? true : nil
        }
    }

    /// Replaces zones. When this returns, the server has them.
    func serve(_ lines: [String: [String]]) async throws {
        try write(lines)
        let reload = ["-c", configuration, "-b", "zone-reload"]
        try await ChildProcess.must("/usr/sbin/knotc", arguments: reload + lines.keys.sorted())
    }

    func stop() async throws {
        try await process?.end()
        process = nil
    }

    private func write(_ lines: [String: [String]]) throws {
        serial += 1
        for (zone, lines) in lines {
            let prefix = zone == "." ? "" : zone
            let head = [
                "$ORIGIN .", "$TTL 300",
                "\(zone) SOA ns.\(prefix) hostmaster.\(prefix) \(serial) 3600 600 86400 300",
                "\(zone) NS ns.\(prefix)", "ns.\(prefix) A \(address)",
            ]
            let text = (head + lines).joined(separator: "\n") + "\n"
            try text.write(toFile: "\(directory)/\(zone)zone", atomically: false, encoding: .utf8)
        }
    }

    private static func configuration(
        directory: String, addresses: [String], zones: [KnotZone]
    ) -> String {
        let zones = zones.map { zone in
            "  - domain: \(zone.name)\n    file: \(zone.state == .missing ? "missing." : zone.name)zone\n"
                + (zone.state == .signed ? "    dnssec-signing: on\n    dnssec-policy: test-network\n" : "")
        }
        return """
            server:
                listen: [ \(addresses.map { "\($0)@53" }.joined(separator: ", ")) ]
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
            policy:
              - id: test-network
                manual: on
                single-type-signing: on
                algorithm: ECDSAP256SHA256
            template:
              - id: default
                storage: \(directory)
                zonefile-sync: -1
                zonefile-load: whole
                journal-content: none
            zone:
            \(zones.joined())
            """
    }
}
