import PostfixConfig
import Testing

@testable import Doctor

/// The socket as smtp(8) sees it, in its chroot and with its user.
@Suite struct MapSocketTests {
    private static let inside = "/var/spool/postfix/run/sts-bridge/socket"

    private static func results(
        _ route: BridgeRoute, table: String = "socketmap:unix:run/sts-bridge/socket:postfix",
        source: PostfixConfiguration.Source = .postconf("/usr/sbin/postconf"), owner: Account? = Healthy.postfix,
        listening address: TableAddress = .unix(path: inside)
    ) -> [CheckResult] {
        let facts = Healthy.facts(
            Healthy.configuration(services: [Healthy.service("smtp", chroot: .yes)], source: source),
            tables: [TableInspection(PolicyTable(table), role: .bridge(route))], owner: owner)
        return Healthy.results(
            .mapSocket, in: facts,
            setup: DaemonConfiguration(listeners: [DaemonConfiguration.Listener(.socketmap, address: address)]))
    }

    private static func path(_ socket: FileLookup, directory: FileLookup = .found(FileStatus(.directory, mode: 0o755)))
        -> SocketPath
    {
        SocketPath(steps: [
            (path: "/var/spool/postfix", look: .found(FileStatus(.directory, mode: 0o755))),
            (path: "/var/spool/postfix/run", look: directory), (path: inside, look: socket),
        ])
    }

    private static let good = FileLookup.found(FileStatus(.socket, mode: 0o660, group: 105))
    private static let answered = LookupProbe.Outcome.answered("NOTFOUND ")

    @Test func `a socket that smtp may write and that answers is ok`() {
        #expect(Self.results(BridgeRoute(.socket(Self.path(Self.good)), outcome: Self.answered)).severities == [.ok])
        #expect(Self.results(BridgeRoute(.inet, outcome: Self.answered)).severities == [.ok])
    }

    @Test func `an absolute path outside of the chroot fails, and the fix depends on the listener`() {
        let table = "socketmap:unix:\(Self.inside):postfix"
        let route = BridgeRoute(.outsideOfChroot("/var/spool/postfix" + Self.inside), outcome: Self.answered)
        let full = Self.results(route, table: table)
        #expect(full.severities == [.fail])
        #expect(
            full.first?.fix
                == Fix(.mainCF, line: "smtp_tls_policy_maps = socketmap:unix:run/sts-bridge/socket:postfix"))
        let outside = Self.results(route, table: "socketmap:unix:/run/s:postfix", listening: .unix(path: "/run/s"))
        #expect(
            outside.first?.fixes == [
                Fix(.configuration, line: "listen: { socketmap: [\"unix:\(Self.inside)\"] }"),
                Fix(.mainCF, line: "smtp_tls_policy_maps = socketmap:unix:run/sts-bridge/socket:postfix"),
            ])
    }

    @Test func `a directory or socket without permission fails`() {
        let closed = FileLookup.found(FileStatus(.directory, mode: 0o700))
        let directory = Self.results(
            BridgeRoute(.socket(Self.path(Self.good, directory: closed)), outcome: Self.answered))
        #expect(directory.severities == [.fail])
        #expect(directory.first?.fix == Fix(.shell, line: "chmod o+x /var/spool/postfix/run"))
        let socket = Self.results(
            BridgeRoute(.socket(Self.path(.found(FileStatus(.socket, mode: 0o600)))), outcome: Self.answered))
        #expect(socket.severities == [.fail])
        // connect(2) needs write permission.
        let readable = FileLookup.found(FileStatus(.socket, mode: 0o644))
        #expect(Self.results(BridgeRoute(.socket(Self.path(readable)), outcome: Self.answered)).severities == [.fail])
        #expect(socket.first?.fix?.place == .configuration)
        #expect(socket.text.contains("mode 0600"))
    }

    @Test func `a missing file, or one that is not a socket, fails`() {
        #expect(Self.results(BridgeRoute(.socket(Self.path(.missing)), outcome: Self.answered)).severities == [.fail])
        let file = FileLookup.found(FileStatus(.file, mode: 0o666))
        #expect(Self.results(BridgeRoute(.socket(Self.path(file)), outcome: Self.answered)).severities == [.fail])
    }

    @Test func `an inaccessible path is unknown`() {
        let listed = FileLookup.found(FileStatus(.socket, mode: 0o600, hasACL: true))
        #expect(Self.results(BridgeRoute(.socket(Self.path(listed)), outcome: Self.answered)).severities == [.unknown])
        #expect(
            Self.results(BridgeRoute(.socket(Self.path(.inaccessible(13))), outcome: Self.answered)).severities == [
                .unknown
            ])
        #expect(
            Self.results(BridgeRoute(.socket(Self.path(Self.good)), outcome: Self.answered), owner: nil).severities == [
                .unknown
            ])
        #expect(Self.results(BridgeRoute(.unknownChroot, outcome: Self.answered)).severities == [.unknown])
        #expect(Self.results(BridgeRoute(.inet, outcome: .forbidden)).severities == [.unknown])
    }

    @Test func `no listener, or another program, fails`() {
        let refused = BridgeRoute(.inet, outcome: .unreachable("Connection refused"))
        #expect(Self.results(refused).severities == [.fail])
        #expect(
            Self.results(BridgeRoute(.inet, outcome: .malformedReply("not a socketmap reply: 220"))).severities == [
                .fail
            ])
        // In a container with a mounted main.cf it is unknown.
        #expect(Self.results(refused, source: .files).severities == [.unknown])
    }

    @Test func `a host name needs etc/hosts inside the chroot`() {
        let route = BridgeRoute(.nameWithoutHosts("/var/spool/postfix/etc/hosts"), outcome: Self.answered)
        let results = Self.results(route, table: "socketmap:inet:localhost:8461:postfix")
        #expect(results.severities == [.fail])
        #expect(results.first?.fix == Fix(.shell, line: "cp /etc/hosts /var/spool/postfix/etc/hosts"))
    }
}
