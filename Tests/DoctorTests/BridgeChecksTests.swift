import PostfixConfig
import Testing

@testable import Doctor

/// The daemon, its sockets, and the user that runs the doctor.
@Suite struct BridgeChecksTests {
    private static let daemon = DaemonProcess(process: 7, user: 900)

    private static func results(
        _ check: Check, user: UInt32 = 0, daemon: DaemonProcess? = daemon,
        _ change: (inout BridgeChecks) -> Void = { _ in }
    ) -> [CheckResult] {
        var checks = BridgeChecks(runner: DoctorRunner(user: user), daemon: daemon)
        change(&checks)
        return checks.results.filter { $0.check == check }
    }

    @Test func `root and the daemon's user can read enough`() {
        #expect(Self.results(.user).severities == [.ok])
        #expect(Self.results(.user, user: 900).severities == [.ok])
        #expect(Self.results(.user, user: 1_000).severities == [.unknown])
        let alone = Self.results(.user, user: 1_000, daemon: nil)
        #expect(alone.severities == [.unknown])
        #expect(alone.first?.fix == Fix(.shell, line: "sudo sts-bridge doctor"))
    }

    @Test func `an invalid configuration fails with its error text`() {
        #expect(Self.results(.configuration).severities == [.ok])
        let results = Self.results(.configuration) { $0.problem = "/etc/x.yaml:3: unknown key \u{1B}" }
        #expect(results.severities == [.fail])
        #expect(results.text.contains(#"/etc/x.yaml:3: unknown key \x1B"#))
    }

    @Test(arguments: [
        (LookupProbe.Outcome.answered("NOTFOUND "), Severity.ok), (.answered("500 NOTFOUND"), .ok),
        (.answered("OK dane"), .warn), (.unreachable("Connection refused"), .fail),
        (.malformedReply("220 hello"), .fail),
        (.forbidden, .unknown),
    ])
    func `each listener is probed`(outcome: LookupProbe.Outcome, severity: Severity) {
        let results = Self.results(.daemon) { $0.listeners = [(Healthy.listener, outcome)] }
        #expect(results.severities == [severity])
        #expect(results.text.contains("127.0.0.1:8461"))
    }

    @Test(arguments: [
        (LookupProbe.Outcome.answered("OK secure match=mx.example"), Severity.ok), (.answered("NOTFOUND "), .ok),
        (.answered("200 secure"), .ok), (.answered("500 NOTFOUND"), .ok), (.answered("TEMP SERVFAIL"), .warn),
        (.answered("PERM no"), .warn), (.answered("400 SERVFAIL"), .warn), (.malformedReply("closed"), .fail),
    ])
    func `the answer of a real lookup is shown`(outcome: LookupProbe.Outcome, severity: Severity) {
        let results = Self.results(.lookup) { $0.reply = ("a.example", outcome) }
        #expect(results.severities == [severity])
        #expect(results.text.contains("a.example"))
        #expect(Self.results(.lookup).severities == [.unknown])
    }

    @Test func `a socket for all users is a warning`() {
        #expect(Self.results(.socketMode).severities == [.skip])
        func severities(_ look: FileLookup) -> [Severity] {
            Self.results(.socketMode) { $0.sockets = [("/run/s", look, false)] }.severities
        }
        #expect(severities(.found(FileStatus(.socket, mode: 0o660))) == [.ok])
        #expect(severities(.found(FileStatus(.socket, mode: 0o666))) == [.warn])
        #expect(severities(.found(FileStatus(.file, mode: 0o660))) == [.fail])
        #expect(severities(.missing) == [.unknown])
        #expect(severities(.inaccessible(13)) == [.unknown])
    }

    @Test func `an admin socket for all users fails`() {
        #expect(Self.results(.adminSocket).severities == [.skip])
        func results(_ look: FileLookup) -> [CheckResult] {
            Self.results(.adminSocket) { $0.adminSocket = ("/run/admin", look) }
        }
        #expect(results(.found(FileStatus(.socket, mode: 0o660))).severities == [.ok])
        #expect(results(.found(FileStatus(.socket, mode: 0o666))).severities == [.fail])
        #expect(results(.found(FileStatus(.socket, mode: 0o666))).first?.fix?.line == "chmod 0660 /run/admin")
        #expect(results(.found(FileStatus(.directory, mode: 0o755))).severities == [.fail])
        #expect(results(.missing).severities == [.unknown])
    }

    @Test(
        arguments: [
            // Mode, owner and group of the socket; the directory's mode.
            (0o660, 900, 105, 0o755, Severity.warn, "group 105"), (0o660, 900, 900, 0o755, .ok, "0660"),
            (0o600, 900, 105, 0o755, .ok, "0600"), (0o660, 900, 105, 0o700, .ok, "0660"),
            (0o600, 102, 900, 0o755, .warn, "runs as Postfix's user"), (0o666, 900, 900, 0o755, .fail, "every user"),
        ] as [(UInt32, UInt32, UInt32, UInt32, Severity, String)])
    func `an admin socket that Postfix's user may connect to is a warning`(
        mode: UInt32, owner: UInt32, group: UInt32, directory: UInt32, severity: Severity, text: String
    ) {
        var socket = FileStatus(.socket, mode: mode, owner: owner, group: group)
        func results(_ user: Account? = Healthy.postfix) -> [CheckResult] {
            Self.results(.adminSocket) {
                $0.adminSocket = ("/run/s/admin", .found(socket))
                $0.adminPath = SocketPath(steps: [
                    ("/run/s", .found(FileStatus(.directory, mode: directory, owner: 900, group: 900))),
                    ("/run/s/admin", .found(socket)),
                ])
                $0.postfixUser = user
            }
        }
        #expect(results().severities == [severity])
        #expect(results().text.contains(text))
        if severity != .fail { #expect(results(nil).severities == [.ok], "no Postfix here") }
        socket.hasACL = true
        if severity == .ok, directory == 0o755 { #expect(results().severities == [.unknown]) }
    }

    @Test(
        arguments: [
            // The primary group of Postfix's user; its groups; the change.
            (105, [105, 900], Fix(.shell, line: "gpasswd --delete postfix sts-bridge")),
            (900, [105, 900], Fix(.configuration, line: "admin: { socket-group: sts-bridge }")),
        ] as [(UInt32, Set<UInt32>, Fix)])
    func `the fix denies the admin socket to Postfix's user, not to the operators`(
        primary: UInt32, groups: Set<UInt32>, fix: Fix
    ) {
        let socket = FileStatus(.socket, mode: 0o660, owner: 900, group: 900)
        let results = Self.results(.adminSocket) {
            $0.adminSocket = ("/run/s/admin", .found(socket))
            $0.adminGroup = primary == 900 ? "postfix" : "sts-bridge"
            $0.adminPath = SocketPath(steps: [
                ("/run/s", .found(FileStatus(.directory, mode: 0o755))), ("/run/s/admin", .found(socket)),
            ])
            $0.postfixUser = Account(name: "postfix", user: 102, primaryGroup: primary, groups: groups)
        }
        #expect(results.severities == [.warn])
        #expect(results.first?.fixes == [fix])
        #expect(results.text.contains("group \(primary == 900 ? "postfix" : "sts-bridge")"))
    }

    @Test func `a Postfix that runs as root may connect with any group`() {
        let socket = FileStatus(.socket, mode: 0o600, owner: 900, group: 900)
        let results = Self.results(.adminSocket) {
            $0.adminSocket = ("/run/s/admin", .found(socket))
            $0.adminPath = SocketPath(steps: [("/run/s/admin", .found(socket))])
            $0.postfixUser = Account(name: "root", user: 0, primaryGroup: 0, groups: [0])
        }
        #expect(results.severities == [.warn])
        #expect(results.first?.fixes == [])
    }

    // MARK: The cache

    private static let owner = Account(name: "sts-bridge", user: 900, primaryGroup: 900, groups: [900])

    private static func cache(
        directory: FileLookup = .found(FileStatus(.directory, mode: 0o750, owner: 900, group: 900)),
        file: FileLookup = .found(FileStatus(.file, mode: 0o640, owner: 900, group: 900)), free: UInt64? = 1 << 40,
        user: Account? = owner
    ) -> [CheckResult] {
        results(.cache) {
            $0.cacheUser = user
            $0.cache = CacheFileStatus(
                path: "/var/lib/s/policies.sqlite", directory: directory, files: [("/var/lib/s/policies.sqlite", file)],
                freeSpace: free)
        }
    }

    @Test func `a cache that the daemon may write and others may not read is ok`() {
        #expect(Self.cache().severities == [.ok])
    }

    @Test func `a cache that is not writable fails`() {
        let foreign = Self.cache(directory: .found(FileStatus(.directory, mode: 0o755, owner: 0, group: 0)))
        #expect(foreign.severities == [.fail])
        #expect(foreign.first?.fix == Fix(.shell, line: "chown -R sts-bridge /var/lib/s"))
        #expect(Self.cache(file: .found(FileStatus(.file, mode: 0o640, owner: 0, group: 0))).severities == [.fail])
        #expect(Self.cache(directory: .found(FileStatus(.file, mode: 0o640, owner: 900))).severities == [.fail])
    }

    @Test func `a missing or inaccessible directory is reported`() {
        let missing = Self.cache(directory: .missing)
        #expect(missing.severities == [.warn])
        #expect(missing.first?.fix?.line == "install -d -m 0750 -o sts-bridge /var/lib/s")
        #expect(Self.cache(directory: .inaccessible(13)).severities == [.unknown])
        #expect(Self.cache(file: .inaccessible(13)).severities == [.unknown])
        #expect(Self.cache(user: nil).severities == [.unknown])
    }

    @Test func `each file that all users may read is a warning`() {
        let results = Self.cache(file: .found(FileStatus(.file, mode: 0o644, owner: 900, group: 900)))
        #expect(results.severities == [.warn])
        #expect(results.first?.fix == Fix(.shell, line: "chmod 0640 /var/lib/s/policies.sqlite"))
    }

    @Test func `little free space is a warning, none a failure`() {
        #expect(Self.cache(free: 50_000_000).severities == [.warn])
        #expect(Self.cache(free: 5_000_000).severities == [.fail])
        #expect(Self.cache(free: nil).severities == [.ok])
    }

    @Test func `a file system that reports more octets than UInt64 holds has space`() {
        #expect(CacheFileStatus.octets(blocks: .max, blockSize: 4_096) == .max)
        #expect(CacheFileStatus.octets(blocks: 10, blockSize: 4_096) == 40_960)
    }

    @Test func `a cache in memory is a warning`() {
        let results = Self.results(.cache)
        #expect(results.severities == [.warn])
        #expect(results.first?.fix?.line == "cache: { store: sqlite }")
    }
}
