import PostfixSettings
import Testing

@testable import Doctor

/// The daemon, its sockets, and who looks.
@Suite struct BridgeCheckupTests {
    private static let daemon = DaemonFacts(process: 7, user: 900)

    private static func findings(
        _ check: Check, user: UInt32 = 0, daemon: DaemonFacts? = daemon,
        _ change: (inout BridgeCheckup) -> Void = { _ in }
    ) -> [Finding] {
        var checkup = BridgeCheckup(examiner: Examiner(user: user), daemon: daemon)
        change(&checkup)
        return checkup.findings.filter { $0.check == check }
    }

    @Test func `root and the daemon's user see what there is to see`() {
        #expect(Self.findings(.user).severities == [.ok])
        #expect(Self.findings(.user, user: 900).severities == [.ok])
        #expect(Self.findings(.user, user: 1_000).severities == [.unknown])
        let alone = Self.findings(.user, user: 1_000, daemon: nil)
        #expect(alone.severities == [.unknown])
        #expect(alone.first?.remedy == Remedy(.shell, "sudo sts-bridge doctor"))
    }

    @Test func `a configuration that cannot be read fails, with its own words`() {
        #expect(Self.findings(.configuration).severities == [.ok])
        let findings = Self.findings(.configuration) { $0.problem = "/etc/x.yaml:3: unknown key \u{1B}" }
        #expect(findings.severities == [.fail])
        #expect(findings.text.contains(#"/etc/x.yaml:3: unknown key \x1B"#))
    }

    @Test(arguments: [
        (LookupProbe.Outcome.answered("NOTFOUND "), Severity.ok), (.answered("500 NOTFOUND"), .ok),
        (.answered("OK dane"), .warn), (.unreachable("Connection refused"), .fail), (.garbled("220 hello"), .fail),
        (.forbidden, .unknown),
    ])
    func `each listener is asked`(outcome: LookupProbe.Outcome, severity: Severity) {
        let findings = Self.findings(.daemon) { $0.listeners = [(Healthy.listener, outcome)] }
        #expect(findings.severities == [severity])
        #expect(findings.text.contains("127.0.0.1:8461"))
    }

    @Test(arguments: [
        (LookupProbe.Outcome.answered("OK secure match=mx.example"), Severity.ok), (.answered("NOTFOUND "), .ok),
        (.answered("200 secure"), .ok), (.answered("500 NOTFOUND"), .ok), (.answered("TEMP SERVFAIL"), .warn),
        (.answered("PERM no"), .warn), (.answered("400 SERVFAIL"), .warn), (.garbled("closed"), .fail),
    ])
    func `a real lookup is made, and its answer shown`(outcome: LookupProbe.Outcome, severity: Severity) {
        let findings = Self.findings(.lookup) { $0.reply = ("a.example", outcome) }
        #expect(findings.severities == [severity])
        #expect(findings.text.contains("a.example"))
        #expect(Self.findings(.lookup).severities == [.unknown])
    }

    @Test func `a socket for everybody is a warning`() {
        #expect(Self.findings(.socketMode).severities == [.skip])
        func severities(_ look: FileLook) -> [Severity] {
            Self.findings(.socketMode) { $0.sockets = [("/run/s", look, false)] }.severities
        }
        #expect(severities(.found(FileFacts(.socket, mode: 0o660))) == [.ok])
        #expect(severities(.found(FileFacts(.socket, mode: 0o666))) == [.warn])
        #expect(severities(.found(FileFacts(.file, mode: 0o660))) == [.fail])
        #expect(severities(.missing) == [.unknown])
        #expect(severities(.hidden(13)) == [.unknown])
    }

    @Test func `an admin socket for everybody fails`() {
        #expect(Self.findings(.adminSocket).severities == [.skip])
        func findings(_ look: FileLook) -> [Finding] {
            Self.findings(.adminSocket) { $0.adminSocket = ("/run/admin", look) }
        }
        #expect(findings(.found(FileFacts(.socket, mode: 0o660))).severities == [.ok])
        #expect(findings(.found(FileFacts(.socket, mode: 0o666))).severities == [.fail])
        #expect(findings(.found(FileFacts(.socket, mode: 0o666))).first?.remedy?.line == "chmod 0660 /run/admin")
        #expect(findings(.found(FileFacts(.directory, mode: 0o755))).severities == [.fail])
        #expect(findings(.missing).severities == [.unknown])
    }

    @Test(
        arguments: [
            // Mode, owner and group of the socket; the directory's mode.
            (0o660, 900, 105, 0o755, Severity.warn, "group 105"), (0o660, 900, 900, 0o755, .ok, "0660"),
            (0o600, 900, 105, 0o755, .ok, "0600"), (0o660, 900, 105, 0o700, .ok, "0660"),
            (0o600, 102, 900, 0o755, .warn, "runs as Postfix's user"), (0o666, 900, 900, 0o755, .fail, "everybody"),
        ] as [(UInt32, UInt32, UInt32, UInt32, Severity, String)])
    func `an admin socket that Postfix's user may connect to is a warning`(
        mode: UInt32, owner: UInt32, group: UInt32, directory: UInt32, severity: Severity, text: String
    ) {
        var socket = FileFacts(.socket, mode: mode, owner: owner, group: group)
        func findings(_ user: Account? = Healthy.postfix) -> [Finding] {
            Self.findings(.adminSocket) {
                $0.adminSocket = ("/run/s/admin", .found(socket))
                $0.adminPath = SocketPath(steps: [
                    ("/run/s", .found(FileFacts(.directory, mode: directory, owner: 900, group: 900))),
                    ("/run/s/admin", .found(socket)),
                ])
                $0.postfixUser = user
            }
        }
        #expect(findings().severities == [severity])
        #expect(findings().text.contains(text))
        if severity != .fail { #expect(findings(nil).severities == [.ok], "no Postfix here") }
        socket.hasACL = true
        if severity == .ok, directory == 0o755 { #expect(findings().severities == [.unknown]) }
    }

    @Test(
        arguments: [
            // The primary group of Postfix's user; its groups; what is to be changed.
            (105, [105, 900], Remedy(.shell, "gpasswd --delete postfix sts-bridge")),
            (900, [105, 900], Remedy(.configuration, "admin: { socket-group: sts-bridge }")),
        ] as [(UInt32, Set<UInt32>, Remedy)])
    func `Postfix's user is kept out of the admin socket, and the operators are not`(
        primary: UInt32, groups: Set<UInt32>, remedy: Remedy
    ) {
        let socket = FileFacts(.socket, mode: 0o660, owner: 900, group: 900)
        let findings = Self.findings(.adminSocket) {
            $0.adminSocket = ("/run/s/admin", .found(socket))
            $0.adminGroup = primary == 900 ? "postfix" : "sts-bridge"
            $0.adminPath = SocketPath(steps: [
                ("/run/s", .found(FileFacts(.directory, mode: 0o755))), ("/run/s/admin", .found(socket)),
            ])
            $0.postfixUser = Account(name: "postfix", user: 102, primaryGroup: primary, groups: groups)
        }
        #expect(findings.severities == [.warn])
        #expect(findings.first?.remedies == [remedy])
        #expect(findings.text.contains("group \(primary == 900 ? "postfix" : "sts-bridge")"))
    }

    @Test func `a Postfix that runs as root may connect, and no group would keep it out`() {
        let socket = FileFacts(.socket, mode: 0o600, owner: 900, group: 900)
        let findings = Self.findings(.adminSocket) {
            $0.adminSocket = ("/run/s/admin", .found(socket))
            $0.adminPath = SocketPath(steps: [("/run/s/admin", .found(socket))])
            $0.postfixUser = Account(name: "root", user: 0, primaryGroup: 0, groups: [0])
        }
        #expect(findings.severities == [.warn])
        #expect(findings.first?.remedies == [])
    }

    // MARK: The cache

    private static let owner = Account(name: "sts-bridge", user: 900, primaryGroup: 900, groups: [900])

    private static func cache(
        directory: FileLook = .found(FileFacts(.directory, mode: 0o750, owner: 900, group: 900)),
        file: FileLook = .found(FileFacts(.file, mode: 0o640, owner: 900, group: 900)), free: UInt64? = 1 << 40,
        user: Account? = owner
    ) -> [Finding] {
        findings(.cache) {
            $0.cacheUser = user
            $0.cache = CacheFacts(
                path: "/var/lib/s/policies.sqlite", directory: directory, files: [("/var/lib/s/policies.sqlite", file)],
                freeSpace: free)
        }
    }

    @Test func `a cache that the daemon may write and others not read is ok`() {
        #expect(Self.cache().severities == [.ok])
    }

    @Test func `what cannot be written fails`() {
        let foreign = Self.cache(directory: .found(FileFacts(.directory, mode: 0o755, owner: 0, group: 0)))
        #expect(foreign.severities == [.fail])
        #expect(foreign.first?.remedy == Remedy(.shell, "chown -R sts-bridge /var/lib/s"))
        #expect(Self.cache(file: .found(FileFacts(.file, mode: 0o640, owner: 0, group: 0))).severities == [.fail])
        #expect(Self.cache(directory: .found(FileFacts(.file, mode: 0o640, owner: 900))).severities == [.fail])
    }

    @Test func `a directory that is missing, or hidden, is said`() {
        let missing = Self.cache(directory: .missing)
        #expect(missing.severities == [.warn])
        #expect(missing.first?.remedy?.line == "install -d -m 0750 -o sts-bridge /var/lib/s")
        #expect(Self.cache(directory: .hidden(13)).severities == [.unknown])
        #expect(Self.cache(file: .hidden(13)).severities == [.unknown])
        #expect(Self.cache(user: nil).severities == [.unknown])
    }

    @Test func `files that everybody reads are a warning each`() {
        let findings = Self.cache(file: .found(FileFacts(.file, mode: 0o644, owner: 900, group: 900)))
        #expect(findings.severities == [.warn])
        #expect(findings.first?.remedy == Remedy(.shell, "chmod 0640 /var/lib/s/policies.sqlite"))
    }

    @Test func `little room is a warning, and none a failure`() {
        #expect(Self.cache(free: 50_000_000).severities == [.warn])
        #expect(Self.cache(free: 5_000_000).severities == [.fail])
        #expect(Self.cache(free: nil).severities == [.ok])
    }

    @Test func `a file system that reports more octets than fit into the number has room`() {
        #expect(CacheFacts.octets(blocks: .max, blockSize: 4_096) == .max)
        #expect(CacheFacts.octets(blocks: 10, blockSize: 4_096) == 40_960)
    }

    @Test func `memory alone is a warning`() {
        let findings = Self.findings(.cache)
        #expect(findings.severities == [.warn])
        #expect(findings.first?.remedy?.line == "cache: { store: sqlite }")
    }
}
