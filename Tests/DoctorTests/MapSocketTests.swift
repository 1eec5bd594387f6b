import PostfixSettings
import Testing

@testable import Doctor

/// The socket, from the chroot and as the user of smtp(8).
@Suite struct MapSocketTests {
    private static let inside = "/var/spool/postfix/run/sts-bridge/socket"

    private static func findings(
        _ way: BridgeWay, table: String = "socketmap:unix:run/sts-bridge/socket:postfix",
        source: PostfixSurvey.Source = .postconf("/usr/sbin/postconf"), owner: Account? = Healthy.postfix,
        listening address: TableAddress = .unix(path: inside)
    ) -> [Finding] {
        let facts = Healthy.facts(
            Healthy.survey(services: [Healthy.service("smtp", chroot: .yes)], source: source),
            tables: [TableFacts(PolicyTable(table), .bridge(way))], owner: owner)
        return Healthy.findings(
            .mapSocket, facts, BridgeSetup(listeners: [BridgeSetup.Listener(.socketmap, address)]))
    }

    private static func path(_ socket: FileLook, directory: FileLook = .found(FileFacts(.directory, mode: 0o755)))
        -> SocketPath
    {
        SocketPath(steps: [
            (path: "/var/spool/postfix", look: .found(FileFacts(.directory, mode: 0o755))),
            (path: "/var/spool/postfix/run", look: directory), (path: inside, look: socket),
        ])
    }

    private static let good = FileLook.found(FileFacts(.socket, mode: 0o660, group: 105))
    private static let answered = LookupProbe.Outcome.answered("NOTFOUND ")

    @Test func `a socket that smtp may write, and that answers, is ok`() {
        #expect(Self.findings(BridgeWay(.socket(Self.path(Self.good)), Self.answered)).severities == [.ok])
        #expect(Self.findings(BridgeWay(.inet, Self.answered)).severities == [.ok])
    }

    @Test func `an absolute path outside of the chroot fails, and the line to change depends on the listener`() {
        let table = "socketmap:unix:\(Self.inside):postfix"
        let way = BridgeWay(.outsideOfChroot("/var/spool/postfix" + Self.inside), Self.answered)
        let full = Self.findings(way, table: table)
        #expect(full.severities == [.fail])
        #expect(
            full.first?.remedy
                == Remedy(.mainCF, "smtp_tls_policy_maps = socketmap:unix:run/sts-bridge/socket:postfix"))
        let outside = Self.findings(way, table: "socketmap:unix:/run/s:postfix", listening: .unix(path: "/run/s"))
        #expect(
            outside.first?.remedies == [
                Remedy(.configuration, "listen: { socketmap: [\"unix:\(Self.inside)\"] }"),
                Remedy(.mainCF, "smtp_tls_policy_maps = socketmap:unix:run/sts-bridge/socket:postfix"),
            ])
    }

    @Test func `who may not enter a directory or write the socket is refused`() {
        let closed = FileLook.found(FileFacts(.directory, mode: 0o700))
        let directory = Self.findings(BridgeWay(.socket(Self.path(Self.good, directory: closed)), Self.answered))
        #expect(directory.severities == [.fail])
        #expect(directory.first?.remedy == Remedy(.shell, "chmod o+x /var/spool/postfix/run"))
        let socket = Self.findings(
            BridgeWay(.socket(Self.path(.found(FileFacts(.socket, mode: 0o600)))), Self.answered))
        #expect(socket.severities == [.fail])
        // connect(2) wants to write; reading is not enough.
        let readable = FileLook.found(FileFacts(.socket, mode: 0o644))
        #expect(Self.findings(BridgeWay(.socket(Self.path(readable)), Self.answered)).severities == [.fail])
        #expect(socket.first?.remedy?.place == .configuration)
        #expect(socket.text.contains("mode 0600"))
    }

    @Test func `what is not there, or is no socket, fails`() {
        #expect(Self.findings(BridgeWay(.socket(Self.path(.missing)), Self.answered)).severities == [.fail])
        let file = FileLook.found(FileFacts(.file, mode: 0o666))
        #expect(Self.findings(BridgeWay(.socket(Self.path(file)), Self.answered)).severities == [.fail])
    }

    @Test func `what could not be seen is unknown`() {
        let listed = FileLook.found(FileFacts(.socket, mode: 0o600, hasACL: true))
        #expect(Self.findings(BridgeWay(.socket(Self.path(listed)), Self.answered)).severities == [.unknown])
        #expect(Self.findings(BridgeWay(.socket(Self.path(.hidden(13))), Self.answered)).severities == [.unknown])
        #expect(
            Self.findings(BridgeWay(.socket(Self.path(Self.good)), Self.answered), owner: nil).severities == [.unknown])
        #expect(Self.findings(BridgeWay(.unknownChroot, Self.answered)).severities == [.unknown])
        #expect(Self.findings(BridgeWay(.inet, .forbidden)).severities == [.unknown])
    }

    @Test func `nobody at the end, or somebody else, fails`() {
        let refused = BridgeWay(.inet, .unreachable("Connection refused"))
        #expect(Self.findings(refused).severities == [.fail])
        #expect(Self.findings(BridgeWay(.inet, .garbled("it speaks no socketmap: 220"))).severities == [.fail])
        // In a container beside a mounted main.cf it says nothing.
        #expect(Self.findings(refused, source: .files).severities == [.unknown])
    }

    @Test func `a name needs hosts inside the chroot`() {
        let way = BridgeWay(.nameWithoutHosts("/var/spool/postfix/etc/hosts"), Self.answered)
        let findings = Self.findings(way, table: "socketmap:inet:localhost:8461:postfix")
        #expect(findings.severities == [.fail])
        #expect(findings.first?.remedy == Remedy(.shell, "cp /etc/hosts /var/spool/postfix/etc/hosts"))
    }
}
