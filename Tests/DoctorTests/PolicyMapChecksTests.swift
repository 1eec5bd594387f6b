import PostfixConfig
import Testing

@testable import Doctor

/// `smtp_tls_policy_maps`.
@Suite struct PolicyMapChecksTests {
    private static func other(_ text: String, answer: Postmap.Answer = .notFound) -> TableInspection {
        TableInspection(PolicyTable(text), role: .other(answer))
    }

    private static func bridge(_ text: String = Healthy.table) -> TableInspection {
        TableInspection(PolicyTable(text), role: .bridge(Healthy.route))
    }

    @Test func `a healthy host has only ok and skip`() {
        let results = PostfixChecks(Healthy.facts(), beside: Healthy.setup).results
        #expect(results.worst == .ok, "\(results.filter { $0.severity > .ok })")
        #expect(results.allSatisfy { $0.services.isEmpty })
    }

    // MARK: policy-maps

    @Test func `an empty parameter fails with the corrected line`() {
        let results = Healthy.results(.policyMaps, in: Healthy.facts(tables: []))
        #expect(results.severities == [.fail])
        #expect(results.first?.fix == Fix(.mainCF, line: "smtp_tls_policy_maps = \(Healthy.table)"))
    }

    @Test func `tables without the bridge fail, and stay in front of it`() {
        let results = Healthy.results(.policyMaps, in: Healthy.facts(tables: [Self.other("hash:/etc/postfix/tls")]))
        #expect(results.severities == [.fail])
        #expect(results.first?.fix?.line == "smtp_tls_policy_maps = hash:/etc/postfix/tls \(Healthy.table)")
    }

    @Test func `a socketmap without a name ends smtp`() {
        let results = Healthy.results(
            .policyMaps, in: Healthy.facts(tables: [Self.other("socketmap:inet:127.0.0.1:8461")]))
        #expect(results.severities == [.fail])
        #expect(results.text.contains("fatal"))
        #expect(results.first?.fix?.line == "smtp_tls_policy_maps = \(Healthy.table)")
    }

    @Test func `if the address of a systemd socket is unknown, the use of the bridge is unknown`() {
        let setup = DaemonConfiguration(listeners: [], passedSockets: ["socketmap"])
        let facts = Healthy.facts(tables: [Self.other("socketmap:unix:run/sts-bridge/socket:postfix")])
        let results = Healthy.results(.policyMaps, in: facts, setup: setup)
        #expect(results.severities == [.unknown])
        #expect(results.text.contains("systemd:socketmap"))
        let user = Healthy.results(.policyMaps, in: facts, setup: setup, isRoot: false)
        #expect(user.first?.fix == Fix(.shell, line: "sudo sts-bridge doctor"))
        #expect(Healthy.results(.policyMaps, in: Healthy.facts(tables: []), setup: setup).severities == [.fail])
    }

    @Test func `a bridge inside another table is unknown`() {
        let results = Healthy.results(
            .policyMaps, in: Healthy.facts(tables: [Self.other("pipemap:{static:x,\(Healthy.table)}")]))
        #expect(results.severities == [.unknown])
    }

    @Test(arguments: [
        ("3.12.1", "socketmap:inet:127.0.0.1:8461:sts"), ("3.3.1", "socketmap:inet:127.0.0.1:8461:legacy"),
    ])
    func `the line names the map for Postfix's version`(version: String, table: String) {
        let configuration = Healthy.configuration(["mail_version": version])
        let results = Healthy.results(.policyMaps, in: Healthy.facts(configuration, tables: []))
        #expect(results.first?.fix?.line == "smtp_tls_policy_maps = \(table)")
    }

    @Test(arguments: [
        (TableAddress.unix(path: "/var/spool/postfix/run/x.sock"), "socketmap:unix:run/x.sock:postfix"),
        (.unix(path: "/run/x.sock"), "socketmap:unix:/run/x.sock:postfix"),
        (.inet(host: "0.0.0.0", port: 1), "socketmap:inet:127.0.0.1:1:postfix"),
        (.inet(host: "::", port: 1), "socketmap:inet:[::1]:1:postfix"),
    ])
    func `the line names the existing listener`(address: TableAddress, table: String) {
        let setup = DaemonConfiguration(listeners: [DaemonConfiguration.Listener(.socketmap, address: address)])
        let results = Healthy.results(.policyMaps, in: Healthy.facts(tables: []), setup: setup)
        #expect(results.first?.fix?.line == "smtp_tls_policy_maps = \(table)")
    }

    @Test func `with tcp_table alone the line is one of tcp_table`() {
        let setup = DaemonConfiguration(listeners: [
            DaemonConfiguration.Listener(.tcp, address: .inet(host: "::1", port: 8462))
        ])
        let results = Healthy.results(.policyMaps, in: Healthy.facts(tables: []), setup: setup)
        #expect(results.first?.fix?.line == "smtp_tls_policy_maps = tcp:[::1]:8462")
    }

    @Test func `the line keeps the operator's tables in order, and the bridge before one that answers for every name`()
    {
        let (own, all) = (Self.other("hash:/x"), Self.other("static:may", answer: .found("may")))
        let broken = Self.other("socketmap:inet:127.0.0.1:8461")
        func line(_ tables: [TableInspection], check: Check, version: String = "3.7.11") -> String? {
            let facts = Healthy.facts(Healthy.configuration(["mail_version": version]), tables: tables)
            return Healthy.results(check, in: facts).compactMap(\.fix).first?.line
        }
        #expect(line([own, all], check: .policyMaps) == "smtp_tls_policy_maps = hash:/x \(Healthy.table) static:may")
        #expect(
            line([own, broken, all], check: .policyMaps) == "smtp_tls_policy_maps = hash:/x \(Healthy.table) static:may"
        )
        let named = "socketmap:inet:127.0.0.1:8461:sts"
        #expect(
            line([own, Self.bridge(), all, Self.bridge()], check: .mapName, version: "3.12.1")
                == "smtp_tls_policy_maps = hash:/x \(named) static:may")
    }

    @Test func `a service with its own settings is named, and its fix is in master cf`() {
        let services = [
            Healthy.service("smtp"), Healthy.service("relay", overrides: ["smtp_tls_policy_maps": ""]),
            Healthy.service("slow"),
        ]
        let configuration = Healthy.configuration(services: services)
        let facts = PostfixInspection(
            configuration: configuration, owner: Healthy.postfix,
            clients: configuration.clients.map {
                ClientInspection(
                    client: $0, tables: $0.name == "relay" ? [] : [Self.bridge()], authorityFile: .certificates(1))
            })
        let results = Healthy.results(.policyMaps, in: facts)
        #expect(results.severities == [.ok, .fail])
        #expect(results.map(\.services) == [["smtp", "slow"], ["relay"]])
        #expect(results.last?.fix == Fix(.masterCF, line: "-o { smtp_tls_policy_maps = \(Healthy.table) }"))
        let overrides = Healthy.results(.serviceOverrides, in: facts)
        #expect(overrides.map(\.services) == [["smtp", "slow"], ["relay"]])
        #expect(overrides.text.contains("smtp_tls_policy_maps = "))
    }

    // MARK: map-order

    @Test func `tables in front of the bridge are fine`() {
        let tables = [Self.other("inline:{{a.example=may}}"), Self.bridge(), Self.other("hash:/x")]
        let results = Healthy.results(.mapOrder, in: Healthy.facts(tables: tables))
        #expect(results.severities == [.ok])
        #expect(results.text.contains("after a table of your own"))
    }

    @Test func `a table that answers for every name fails in front, and warns behind`() {
        let all = Self.other("static:may", answer: .found("may"))
        #expect(
            Healthy.results(.mapOrder, in: Healthy.facts(tables: [all, Self.bridge()])).severities == [.fail])
        #expect(Healthy.results(.mapOrder, in: Healthy.facts(tables: [Self.bridge(), all])).severities == [.warn])
    }

    @Test func `a table that cannot be opened fails, unless only this user may not read it`() {
        let broken = Self.other("hash:/x", answer: .failed("fatal: open database /x.db: Permission denied"))
        let facts = Healthy.facts(tables: [broken, Self.bridge()])
        #expect(Healthy.results(.mapOrder, in: facts).severities == [.fail])
        #expect(Healthy.results(.mapOrder, in: facts, isRoot: false).severities == [.unknown])
        let alone = Healthy.results(.mapOrder, in: Healthy.facts(tables: [broken, Self.other("hash:/y")]))
        #expect(alone.severities == [.fail], "without the bridge, too")
        let silent = Self.other("proxy:hash:/x", answer: .unknown("postmap did not end in time"))
        #expect(
            Healthy.results(.mapOrder, in: Healthy.facts(tables: [Self.bridge(), silent])).severities == [.unknown])
    }

    @Test func `proxy in front of the bridge is a warning`() {
        let results = Healthy.results(.mapOrder, in: Healthy.facts(tables: [Self.bridge("proxy:" + Healthy.table)]))
        #expect(results.severities == [.warn])
        #expect(results.first?.fix?.line == "smtp_tls_policy_maps = \(Healthy.table)")
    }

    // MARK: map-name

    @Test(arguments: [
        ("3.7.11", "postfix", Severity.ok), ("3.7.11", "QUERY", .ok), ("3.7.11", "sts", .fail),
        ("3.7.11", "legacy", .ok),
        ("3.12.1", "sts", .ok), ("3.12.1", "QUERYwithTLSRPT", .ok), ("3.12.1", "postfix", .warn),
        ("3.12.1", "legacy", .warn), ("3.3.0", "postfix", .fail), ("3.3.0", "legacy", .ok), ("3.7.11", "mine", .ok),
        ("new", "sts", .unknown),
    ])
    func `the map's name fits Postfix's version`(version: String, name: String, severity: Severity) {
        let facts = Healthy.facts(
            Healthy.configuration(["mail_version": version]),
            tables: [Self.bridge("socketmap:inet:127.0.0.1:8461:\(name)")])
        #expect(Healthy.results(.mapName, in: facts).severities == [severity])
    }

    @Test func `tcp_table uses the dialect of postfix version`() {
        let tables = [Self.bridge("tcp:127.0.0.1:8462")]
        #expect(Healthy.results(.mapName, in: Healthy.facts(tables: tables)).severities == [.ok])
        var setup = Healthy.setup
        setup.options.release = PostfixRelease(major: 3, minor: 10)
        let results = Healthy.results(.mapName, in: Healthy.facts(tables: tables), setup: setup)
        #expect(results.severities == [.fail])
        #expect(results.first?.fix == Fix(.configuration, line: "postfix: { version: auto }"))
    }

    @Test func `text of main cf is escaped`() {
        let tables = [Self.other("static:\u{1B}[31m", answer: .found("x")), Self.bridge()]
        let text = PostfixChecks(Healthy.facts(tables: tables), beside: Healthy.setup).results.text
        #expect(!text.contains("\u{1B}"))
        #expect(text.contains(#"\x1B[31m"#))
    }
}
