import PostfixConfig
import Testing

@testable import Doctor

/// The running daemon's settings, compared with main.cf and the configuration.
@Suite struct DaemonSettingsTests {
    private static let listeners = ["socketmap 127.0.0.1:8461"]
    private static let servers = [NameServerAddress(host: "192.0.2.53")]
    private static let status = DaemonStatus(
        dialect: "classic", dane: .off, securityLevel: "may", listeners: listeners, nameServers: servers)

    private static func postfix(dnssec: Bool = false, level: String = "may") -> PostfixProfile {
        PostfixProfile(
            release: PostfixRelease("3.7.11"), validatesDNS: dnssec, securityLevel: SecurityLevel(level))
    }

    private static func results(
        _ local: PostfixProfile? = postfix(), _ change: (inout DaemonStatus) -> Void = { _ in }
    ) -> [CheckResult] {
        var status = status
        change(&status)
        return DaemonSettingsCheck(
            setup: Healthy.setup, listeners: listeners, local: local, nameServers: servers
        ).results(.success(status))
    }

    @Test func `a daemon with the current settings is ok`() {
        #expect(Self.results().severities == [.ok])
        #expect(Self.results(Self.postfix(dnssec: true)) { $0.dane = .on }.severities == [.ok])
        // Without a Postfix: the daemon's defaults.
        #expect(Self.results(nil).severities == [.ok])
        // An older daemon does not report its level.
        #expect(Self.results(Self.postfix(level: "encrypt")) { $0.securityLevel = nil }.severities == [.ok])
    }

    @Test func `STS-2-a: a daemon that does not look for the DANE of Postfix fails, and so does the reverse`() {
        let late = Self.results(Self.postfix(dnssec: true))
        #expect(late.severities == [.fail])
        #expect(late.text.contains("RFC 8461 section 2"))
        #expect(late.first?.fix == Fix(.shell, line: "sts-bridge reload"))
        #expect(Self.results { $0.dane = .on }.severities == [.fail])
        let suspended = Self.results(Self.postfix(dnssec: true)) { $0.dane = .suspended("off while they strip") }
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
            let results = Self.results(Self.postfix(), change)
            #expect(results.severities == [.fail])
            #expect(results.text.contains(text), "\(results.text)")
        }
    }

    @Test func `a daemon that does not answer is unknown, one without an admin socket is skipped`() {
        let check = DaemonSettingsCheck(setup: Healthy.setup, listeners: [], local: nil, nameServers: nil)
        #expect(check.results(.failure(UnavailableError("it is not there"))).severities == [.unknown])
        #expect(check.results(nil).severities == [.skip])
    }

    @Test func `Postfix's settings are compared with the running daemon, not with the configuration`() {
        var setup = Healthy.setup
        setup.take(Self.status)
        let results = Healthy.results(.dnsSupport, changes: ["smtp_dns_support_level": "dnssec"], setup: setup)
        #expect(results.severities == [.warn])
        #expect(results.first?.fix == Fix(.shell, line: "sts-bridge reload"))
    }

    @Test func `the daemon reports the addresses of passed sockets`() {
        let socket = DaemonConfiguration.Listener(
            .socketmap, address: .unix(path: "/var/spool/postfix/run/s"), isPassed: true)
        var setup = DaemonConfiguration(listeners: [], passedSockets: ["socketmap"])
        setup.take(passed: [])
        #expect(setup.passedSockets == ["socketmap"])
        setup.take(passed: [socket])
        #expect(setup.listeners == [socket])
        #expect(setup.passedSockets == [])
    }

    @Test func `proc(5) shows listening sockets and their addresses`() {
        let unix = """
            Num       RefCount Protocol Flags    Type St Inode Path
            0000000000000000: 00000002 00000000 00010000 0001 01 4711 /var/spool/postfix/run/sts-bridge/socket
            0000000000000000: 00000002 00000000 00010000 0001 01 4712 /run/with blank
            0000000000000000: 00000003 00000000 00000000 0001 03 4713 /run/connected
            0000000000000000: 00000002 00000000 00010000 0001 01 4714 @abstract
            0000000000000000: 00000002 00000000 00010000 0001 01 4715
            """
        #expect(
            ListeningSockets.unix(unix).map(\.address) == [
                .unix(path: "/var/spool/postfix/run/sts-bridge/socket"), .unix(path: "/run/with blank"),
            ])
        #expect(ListeningSockets.unix(unix).map(\.inode) == ["4711", "4712"])
        let tcp = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:210D 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 x
               1: 0100007F:210D 0100007F:D000 01 00000000:00000000 00:00000000 00000000     0        0 98 1 x
               2: 00000000000000000000000001000000:210E 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 97 1
            """
        #expect(
            ListeningSockets.tcp(tcp).map(\.address) == [
                .inet(host: "127.0.0.1", port: 8461), .inet(host: "::1", port: 8462),
            ])
        #expect(ListeningSockets.tcp(tcp).map(\.inode) == ["99", "97"])
    }
}
