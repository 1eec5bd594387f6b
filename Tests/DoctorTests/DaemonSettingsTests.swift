import PostfixSettings
import Testing

@testable import Doctor

/// The running daemon beside what main.cf and the configuration say now.
@Suite struct DaemonSettingsTests {
    private static let listeners = ["socketmap 127.0.0.1:8461"]
    private static let servers = [NameServerAddress(host: "192.0.2.53")]
    private static let status = DaemonStatus(
        dialect: "classic", dane: .off, securityLevel: "may", listeners: listeners, nameServers: servers)

    private static func postfix(dnssec: Bool = false, level: String = "may") -> LocalPostfix {
        LocalPostfix(
            release: PostfixRelease("3.7.11"), validatesDNS: dnssec, securityLevel: SecurityLevel(level))
    }

    private static func findings(
        _ local: LocalPostfix? = postfix(), _ change: (inout DaemonStatus) -> Void = { _ in }
    ) -> [Finding] {
        var status = status
        change(&status)
        return DaemonSettingsCheck(
            setup: Healthy.setup, listeners: listeners, local: local, nameServers: servers
        ).findings(.success(status))
    }

    @Test func `a daemon that works with the settings of now is ok`() {
        #expect(Self.findings().severities == [.ok])
        #expect(Self.findings(Self.postfix(dnssec: true)) { $0.dane = .on }.severities == [.ok])
        // Beside no Postfix: what the daemon takes without one.
        #expect(Self.findings(nil).severities == [.ok])
        // A daemon of an older version says nothing of its level.
        #expect(Self.findings(Self.postfix(level: "encrypt")) { $0.securityLevel = nil }.severities == [.ok])
    }

    @Test func `STS-2-a: a daemon that does not look for the DANE of Postfix fails, and so does the reverse`() {
        let late = Self.findings(Self.postfix(dnssec: true))
        #expect(late.severities == [.fail])
        #expect(late.text.contains("RFC 8461 section 2"))
        #expect(late.first?.remedy == Remedy(.shell, "sts-bridge reload"))
        #expect(Self.findings { $0.dane = .on }.severities == [.fail])
        let suspended = Self.findings(Self.postfix(dnssec: true)) { $0.dane = .suspended("off while they strip") }
        #expect(suspended.severities == [.warn])
    }

    @Test func `each other difference fails, with both values`() {
        let changes: [((inout DaemonStatus) -> Void, String)] = [
            ({ $0.dialect = "sts" }, "sts; its configuration and Postfix's say classic"),
            ({ $0.securityLevel = "encrypt" }, "encrypt; its configuration and Postfix's say may"),
            ({ $0.listeners = [] }, "nothing; its configuration and Postfix's say socketmap 127.0.0.1:8461"),
            ({ $0.nameServers = [NameServerAddress(host: "192.0.2.1")] }, "192.0.2.1; its configuration"),
        ]
        for (change, text) in changes {
            let findings = Self.findings(Self.postfix(), change)
            #expect(findings.severities == [.fail])
            #expect(findings.text.contains(text), "\(findings.text)")
        }
    }

    @Test func `a daemon that cannot be asked is unknown, one without an admin socket is skipped`() {
        let check = DaemonSettingsCheck(setup: Healthy.setup, listeners: [], local: nil, nameServers: nil)
        #expect(check.findings(.failure(Unavailable("it is not there"))).severities == [.unknown])
        #expect(check.findings(nil).severities == [.skip])
    }

    @Test func `what Postfix does by itself is judged by what the daemon does, not by what it should do`() {
        var setup = Healthy.setup
        setup.take(Self.status)
        let findings = Healthy.findings(.dnsSupport, ["smtp_dns_support_level": "dnssec"], setup)
        #expect(findings.severities == [.warn])
        #expect(findings.first?.remedy == Remedy(.shell, "sts-bridge reload"))
    }

    @Test func `sockets of the service manager are where the daemon says`() {
        let socket = BridgeSetup.Listener(.socketmap, .unix(path: "/var/spool/postfix/run/s"), isPassed: true)
        var setup = BridgeSetup(listeners: [], passedSockets: ["socketmap"])
        setup.take(passed: [])
        #expect(setup.passedSockets == ["socketmap"])
        setup.take(passed: [socket])
        #expect(setup.listeners == [socket])
        #expect(setup.passedSockets == [])
    }

    @Test func `proc(5) tells listening sockets and their addresses`() {
        let unix = """
            Num       RefCount Protocol Flags    Type St Inode Path
            0000000000000000: 00000002 00000000 00010000 0001 01 4711 /var/spool/postfix/run/sts-bridge/socket
            0000000000000000: 00000002 00000000 00010000 0001 01 4712 /run/with blank
            0000000000000000: 00000003 00000000 00000000 0001 03 4713 /run/connected
            0000000000000000: 00000002 00000000 00010000 0001 01 4714 @abstract
            0000000000000000: 00000002 00000000 00010000 0001 01 4715
            """
        #expect(
            PassedSocketFacts.unix(unix).map(\.address) == [
                .unix(path: "/var/spool/postfix/run/sts-bridge/socket"), .unix(path: "/run/with blank"),
            ])
        #expect(PassedSocketFacts.unix(unix).map(\.inode) == ["4711", "4712"])
        let tcp = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:210D 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 x
               1: 0100007F:210D 0100007F:D000 01 00000000:00000000 00:00000000 00000000     0        0 98 1 x
               2: 00000000000000000000000001000000:210E 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 97 1
            """
        #expect(
            PassedSocketFacts.tcp(tcp).map(\.address) == [
                .inet(host: "127.0.0.1", port: 8461), .inet(host: "::1", port: 8462),
            ])
        #expect(PassedSocketFacts.tcp(tcp).map(\.inode) == ["99", "97"])
    }
}
