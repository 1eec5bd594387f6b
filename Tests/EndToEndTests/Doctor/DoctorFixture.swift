import Foundation

/// A host for the doctor: a private main.cf and master.cf, and a bridge beside them. All is healthy until a test
/// breaks something.
struct DoctorFixture: Sendable {
    static let socketmap: UInt16 = 8475
    static let tcpTable: UInt16 = 8476
    /// Publishes a policy; the doctor fetches it.
    static let domain = "checked.example"

    let directory: String
    /// The start of main.cf.
    var mainText = ""
    var main: [String: String]
    var master = ["smtp": "unix - - y - - smtp", "relay": "unix - - n - - smtp", "proxymap": "unix - - n - - proxymap"]
    /// Sections of config.yaml.
    var bridge: [String: String]
    /// Whether the daemon runs with that configuration.
    var isRunning = true
    /// The change of the files after the daemon's start.
    var damage: @Sendable (DoctorFixture) throws -> Void = { _ in }
    /// The doctor's arguments.
    var arguments: [String]

    var queue: String { directory + "/spool" }
    var socket: String { queue + "/run/sts-bridge/socket" }
    var cache: String { directory + "/cache/policies.sqlite" }
    var adminSocket: String { directory + "/admin.sock" }
    var configuration: String { directory + "/etc" }

    init(in directory: String, authority: CertificateAuthority) {
        self.directory = directory
        let queue = directory + "/spool"
        main = [
            "compatibility_level": "3.6", "queue_directory": queue, "mail_owner": "postfix",
            "smtp_tls_policy_maps": "inline:{{override.example=may}} socketmap:unix:run/sts-bridge/socket:postfix",
            "smtp_tls_CAfile": authority.root, "smtp_tls_security_level": "may",
        ]
        bridge = [
            "listen":
                "{socketmap: [127.0.0.1:\(Self.socketmap), \"unix:\(queue)/run/sts-bridge/socket\"], "
                + "tcp-table: [127.0.0.1:\(Self.tcpTable)], socket-mode: \"0660\", socket-group: postfix}",
            "dns": "{servers: [\(KnotServer.address)], timeout: 2s, dnssec: \"off\"}",
            "fetch": "{timeout: 5s, ca-file: \(authority.root), allow-networks: [127.0.0.0/8]}",
            "lookup": "{deadline: 10s}",
            "cache": "{path: \(directory)/cache/policies.sqlite}",
            "admin": "{socket: \(directory)/admin.sock}",
        ]
        arguments = ["--domain", Self.domain, "--postfix-config", directory + "/etc"]
    }

    /// Writes all files, and starts the daemon if it shall run.
    func admitted() async throws -> BridgeProcess {
        for part in ["etc", "spool/etc", "spool/run/sts-bridge", "cache"] {
            try FileManager.default.createDirectory(
                atPath: "\(directory)/\(part)", withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o755])
        }
        try rewriteMain()
        try write(master.map { "\($0.key) \($0.value)" }, to: "etc/master.cf")
        for file in ["resolv.conf", "hosts"] {
            try? FileManager.default.removeItem(atPath: "\(queue)/etc/\(file)")
            try FileManager.default.copyItem(atPath: "/etc/\(file)", toPath: "\(queue)/etc/\(file)")
        }
        let yaml = bridge.map { "\($0.key): \($0.value)\n" }.joined()
        // The daemon opens this listener last.
        let process = try BridgeProcess(
            in: directory, configuration: yaml, ready: Self.tcpTable,
            environment: ["MAIL_CONFIG": directory + "/etc"])
        if isRunning { try await process.start() }
        if isRunning, bridge["cache"]?.contains(cache) == true { try await eventuallyHasFiles() }
        try damage(self)
        return process
    }

    /// Waits until the daemon has opened its cache and, unless there are no commands, its admin socket.
    func eventuallyHasFiles() async throws {
        let files = [cache + "-wal"] + (bridge["admin"] == "{socket: \"\"}" ? [] : [adminSocket])
        _ = try await eventually("the cache and the admin socket are there") {
            files.allSatisfy(FileManager.default.fileExists(atPath:)) ? true : nil
        }
    }

    /// The results of `sts-bridge doctor`.
    func examined(_ more: String..., by shell: [String] = []) async throws -> (status: Int32, output: String) {
        let process = try await admitted()
        let command =
            shell + [try BridgeProcess.binary(), "doctor", "--config", directory + "/config.yaml"] + arguments + more
        do {
            let outcome = try await ChildProcess.run(command[0], arguments: Array(command.dropFirst()))
            try await process.stop()
            return outcome
        } catch {
            _ = try? await process.stop()
            throw error
        }
    }

    /// The results of `sts-bridge doctor`, whether the daemon runs or not.
    ///
    /// - Parameters:
    ///   - program: the command line to use instead of `BridgeProcess.binary()`.
    ///   - arguments: replace the usual ones.
    func diagnosed(
        by program: [String]? = nil, _ arguments: [String]? = nil, environment: [String: String] = [:]
    ) async throws -> Diagnosis {
        let command =
            try (program ?? [BridgeProcess.binary()])
            + ["doctor", "--json", "--config", directory + "/config.yaml"] + (arguments ?? self.arguments)
        return try Diagnosis(
            try await ChildProcess.run(command[0], arguments: Array(command.dropFirst()), environment: environment)
                .output)
    }

    /// Replaces main.cf as `postconf -e` does.
    func rewriteMain() throws { try write([mainText] + main.map { "\($0.key) = \($0.value)" }, to: "etc/main.cf") }

    private func write(_ lines: [String], to file: String) throws {
        let path = "\(directory)/\(file)"
        try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: false, encoding: .utf8)
        // Postfix sleeps before it reads a file younger than two seconds.
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -60)], ofItemAtPath: path)
    }
}

/// The output of `doctor --json`.
struct Diagnosis: Decodable {
    struct CheckResult: Decodable {
        struct CacheEvent: Decodable {
            let place: String
            let line: String
        }

        let check: String
        let severity: String
        let meaning: String
        let services: [String]
        let changes: [CacheEvent]
    }

    let worst: String
    let counts: [String: Int]
    let results: [CheckResult]

    init(_ json: String) throws {
        do {
            self = try JSONDecoder().decode(Diagnosis.self, from: Data(json.utf8))
        } catch {
            throw TestNetworkError("no diagnosis: \(json)")
        }
    }

    func of(_ check: String) -> [CheckResult] { results.filter { $0.check == check } }
}

extension TestNetwork {
    /// A copy of the program that every user can run: the build directory may not be readable.
    nonisolated func openBinary() throws -> String {
        let path = directory + "/sts-bridge"
        if !FileManager.default.fileExists(atPath: path) {
            try FileManager.default.copyItem(atPath: BridgeProcess.binary(), toPath: path)
        }
        return path
    }

    /// A healthy host.
    nonisolated func host() async throws -> DoctorFixture {
        try await publish(TestDomain(DoctorFixture.domain, policy: Policy.enforce()))
        return DoctorFixture(
            in: "\(directory)/doctor-\(UUID().uuidString.prefix(8))", authority: authority)
    }
}
