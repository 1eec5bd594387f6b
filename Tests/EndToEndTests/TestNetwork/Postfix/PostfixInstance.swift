import Foundation

/// A private Postfix: Debian's programs with a configuration, a queue and a log of their own.
///
/// It runs as `start-fg`: the script that starts the master stays a child process until the master has ended.
actor PostfixInstance {
    nonisolated let directory: String
    nonisolated let log: LogFile
    nonisolated var configuration: String { directory + "/etc" }
    nonisolated var queue: String { directory + "/spool" }
    nonisolated let programs: PostfixPrograms
    /// Its own resolv.conf; `nil` for that of the test network.
    private let resolver: String?
    private var process: ChildProcess?

    /// - Parameters:
    ///   - programs: those of this host or of another Debian release.
    ///   - resolver: the address of a DNS server for this Postfix alone.
    init(
        in directory: String, programs: PostfixPrograms = .host, main: [String], master: [String],
        resolver: String? = nil
    ) async throws {
        self.directory = directory
        self.programs = programs
        self.log = LogFile(path: directory + "/mail.log")
        for part in ["etc", "spool", "data"] {
            try FileManager.default.createDirectory(
                atPath: "\(directory)/\(part)", withIntermediateDirectories: true)
        }
        self.resolver = resolver.map { _ in directory + "/etc/resolv.conf" }
        if let resolver {
            try Self.write(
                ["nameserver \(resolver)", "options timeout:2 attempts:2"], to: directory + "/etc/resolv.conf")
        }
        // The user id differs between the trees.
        try await ChildProcess.must(programs.command("/bin/chown", arguments: ["postfix", directory + "/data"]))
        let common = [
            "compatibility_level = 3.6",
            "queue_directory = \(directory)/spool", "data_directory = \(directory)/data",
            "mail_owner = postfix", "setgid_group = postdrop",
            "maillog_file = \(log.path)", "maillog_file_prefixes = \(directory)",
            "mydestination =", "alias_maps =", "alias_database =", "inet_protocols = ipv4",
            "smtputf8_enable = yes",
        ]
        try Self.write(common + main, to: directory + "/etc/main.cf")
        try Self.write(Self.services + master, to: directory + "/etc/master.cf")
    }

    func start() async throws {
        let console = LogFile(path: directory + "/console.log")
        let offset = log.end
        let command = programs.command(
            "/usr/sbin/postfix", arguments: ["-c", configuration, "start-fg"], resolver: resolver)
        let process = try ChildProcess(command[0], arguments: Array(command[1...]), log: console)
        self.process = process
        _ = try await eventually("Postfix in \(directory) starts") { [log] in
            if process.status != nil {
                throw TestNetworkError("postfix ended: \(console.text()) \(log.text(from: offset))")
            }
            return log.text(from: offset).contains("daemon started") ? true : nil
        }
    }

    /// Stops the master and its daemons. The script that waits for the master ends by itself.
    func stop() async throws {
        guard let process else { return }
        self.process = nil
        let recorded = try String(contentsOfFile: queue + "/pid/master.pid", encoding: .utf8)
        guard let master = pid_t(recorded.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw TestNetworkError("no process id in master.pid: \(recorded)")
        }
        kill(master, SIGTERM)
        _ = try await process.wait()
    }

    private static func write(_ lines: [String], to path: String) throws {
        try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: false, encoding: .utf8)
    }

    /// The services of master.cf for both instances. Each adds its network services.
    private static let services = [
        "postlog  unix-dgram n - n - 1 postlogd",
        "pickup   unix n - n 60 1 pickup",
        "cleanup  unix n - n - 0 cleanup",
        "qmgr     unix n - n 300 1 qmgr",
        "tlsmgr   unix - - n 1000? 1 tlsmgr",
        "rewrite  unix - - n - - trivial-rewrite",
        "bounce   unix - - n - 0 bounce",
        "defer    unix - - n - 0 bounce",
        "trace    unix - - n - 0 bounce",
        "verify   unix - - n - 1 verify",
        "flush    unix n - n 1000? 0 flush",
        "proxymap unix - - n - - proxymap",
        "showq    unix n - n - - showq",
        "error    unix - - n - - error",
        "retry    unix - - n - - error",
        "discard  unix - - n - - discard",
        "anvil    unix - - n - 1 anvil",
        "scache   unix - - n - 1 scache",
    ]
}
