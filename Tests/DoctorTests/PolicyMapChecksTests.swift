import PostfixSettings
import Testing

@testable import Doctor

/// `smtp_tls_policy_maps`.
@Suite struct PolicyMapChecksTests {
    private static func stranger(_ text: String, _ answer: Postmap.Answer = .notFound) -> TableFacts {
        TableFacts(PolicyTable(text), .stranger(answer))
    }

    private static func bridge(_ text: String = Healthy.table) -> TableFacts {
        TableFacts(PolicyTable(text), .bridge(Healthy.way))
    }

    @Test func `a host on which all is well has nothing but ok and skip`() {
        let findings = PostfixCheckup(Healthy.facts(), beside: Healthy.setup).findings
        #expect(findings.worst == .ok, "\(findings.filter { $0.severity > .ok })")
        #expect(findings.allSatisfy { $0.services.isEmpty })
    }

    // MARK: policy-maps

    @Test func `an empty parameter fails, with the line that it should be`() {
        let findings = Healthy.findings(.policyMaps, Healthy.facts(tables: []))
        #expect(findings.severities == [.fail])
        #expect(findings.first?.remedy == Remedy(.mainCF, "smtp_tls_policy_maps = \(Healthy.table)"))
    }

    @Test func `tables without the bridge fail, and stay in front of it`() {
        let findings = Healthy.findings(.policyMaps, Healthy.facts(tables: [Self.stranger("hash:/etc/postfix/tls")]))
        #expect(findings.severities == [.fail])
        #expect(findings.first?.remedy?.line == "smtp_tls_policy_maps = hash:/etc/postfix/tls \(Healthy.table)")
    }

    @Test func `a socketmap without a name ends smtp`() {
        let findings = Healthy.findings(
            .policyMaps, Healthy.facts(tables: [Self.stranger("socketmap:inet:127.0.0.1:8461")]))
        #expect(findings.severities == [.fail])
        #expect(findings.text.contains("fatal"))
        #expect(findings.first?.remedy?.line == "smtp_tls_policy_maps = \(Healthy.table)")
    }

    @Test func `where the place of a systemd socket is unknown, no table is said to miss the bridge`() {
        let setup = BridgeSetup(listeners: [], passedSockets: ["socketmap"])
        let facts = Healthy.facts(tables: [Self.stranger("socketmap:unix:run/sts-bridge/socket:postfix")])
        let findings = Healthy.findings(.policyMaps, facts, setup)
        #expect(findings.severities == [.unknown])
        #expect(findings.text.contains("systemd:socketmap"))
        let user = Healthy.findings(.policyMaps, facts, setup, isRoot: false)
        #expect(user.first?.remedy == Remedy(.shell, "sudo sts-bridge doctor"))
        #expect(Healthy.findings(.policyMaps, Healthy.facts(tables: []), setup).severities == [.fail])
    }

    @Test func `inside of another table the bridge cannot be seen`() {
        let findings = Healthy.findings(
            .policyMaps, Healthy.facts(tables: [Self.stranger("pipemap:{static:x,\(Healthy.table)}")]))
        #expect(findings.severities == [.unknown])
    }

    @Test(arguments: [
        ("3.12.1", "socketmap:inet:127.0.0.1:8461:sts"), ("3.3.1", "socketmap:inet:127.0.0.1:8461:legacy"),
    ])
    func `the line names the map by Postfix's version`(version: String, table: String) {
        let survey = Healthy.survey(["mail_version": version])
        let findings = Healthy.findings(.policyMaps, Healthy.facts(survey, tables: []))
        #expect(findings.first?.remedy?.line == "smtp_tls_policy_maps = \(table)")
    }

    @Test(arguments: [
        (TableAddress.unix(path: "/var/spool/postfix/run/x.sock"), "socketmap:unix:run/x.sock:postfix"),
        (.unix(path: "/run/x.sock"), "socketmap:unix:/run/x.sock:postfix"),
        (.inet(host: "0.0.0.0", port: 1), "socketmap:inet:127.0.0.1:1:postfix"),
        (.inet(host: "::", port: 1), "socketmap:inet:[::1]:1:postfix"),
    ])
    func `the line leads to the listener that there is`(address: TableAddress, table: String) {
        let setup = BridgeSetup(listeners: [BridgeSetup.Listener(.socketmap, address)])
        let findings = Healthy.findings(.policyMaps, Healthy.facts(tables: []), setup)
        #expect(findings.first?.remedy?.line == "smtp_tls_policy_maps = \(table)")
    }

    @Test func `with tcp_table alone the line is one of tcp_table`() {
        let setup = BridgeSetup(listeners: [BridgeSetup.Listener(.tcp, .inet(host: "::1", port: 8462))])
        let findings = Healthy.findings(.policyMaps, Healthy.facts(tables: []), setup)
        #expect(findings.first?.remedy?.line == "smtp_tls_policy_maps = tcp:[::1]:8462")
    }

    @Test func `in the line your own tables stay where they are, and the bridge before what answers for everybody`() {
        let (own, all) = (Self.stranger("hash:/x"), Self.stranger("static:may", .found("may")))
        let broken = Self.stranger("socketmap:inet:127.0.0.1:8461")
        func line(_ tables: [TableFacts], _ check: Check, version: String = "3.7.11") -> String? {
            let facts = Healthy.facts(Healthy.survey(["mail_version": version]), tables: tables)
            return Healthy.findings(check, facts).compactMap(\.remedy).first?.line
        }
        #expect(line([own, all], .policyMaps) == "smtp_tls_policy_maps = hash:/x \(Healthy.table) static:may")
        #expect(line([own, broken, all], .policyMaps) == "smtp_tls_policy_maps = hash:/x \(Healthy.table) static:may")
        let named = "socketmap:inet:127.0.0.1:8461:sts"
        #expect(
            line([own, Self.bridge(), all, Self.bridge()], .mapName, version: "3.12.1")
                == "smtp_tls_policy_maps = hash:/x \(named) static:may")
    }

    @Test func `a service of its own is named, and mended in master cf`() {
        let services = [
            Healthy.service("smtp"), Healthy.service("relay", ["smtp_tls_policy_maps": ""]), Healthy.service("slow"),
        ]
        let survey = Healthy.survey(services: services)
        let facts = PostfixFacts(
            survey: survey, owner: Healthy.postfix,
            clients: survey.clients.map {
                ClientFacts(
                    client: $0, tables: $0.name == "relay" ? [] : [Self.bridge()], authorityFile: .certificates(1))
            })
        let findings = Healthy.findings(.policyMaps, facts)
        #expect(findings.severities == [.ok, .fail])
        #expect(findings.map(\.services) == [["smtp", "slow"], ["relay"]])
        #expect(findings.last?.remedy == Remedy(.masterCF, "-o { smtp_tls_policy_maps = \(Healthy.table) }"))
        let overrides = Healthy.findings(.serviceOverrides, facts)
        #expect(overrides.map(\.services) == [["smtp", "slow"], ["relay"]])
        #expect(overrides.text.contains("smtp_tls_policy_maps = "))
    }

    // MARK: map-order

    @Test func `overrides in front are fine`() {
        let tables = [Self.stranger("inline:{{a.example=may}}"), Self.bridge(), Self.stranger("hash:/x")]
        let findings = Healthy.findings(.mapOrder, Healthy.facts(tables: tables))
        #expect(findings.severities == [.ok])
        #expect(findings.text.contains("after a table of your own"))
    }

    @Test func `what answers for everybody fails in front, and warns behind`() {
        let all = Self.stranger("static:may", .found("may"))
        #expect(
            Healthy.findings(.mapOrder, Healthy.facts(tables: [all, Self.bridge()])).severities == [.fail])
        #expect(Healthy.findings(.mapOrder, Healthy.facts(tables: [Self.bridge(), all])).severities == [.warn])
    }

    @Test func `a table that cannot be opened stops the lookup, unless it is closed to this user alone`() {
        let broken = Self.stranger("hash:/x", .failed("fatal: open database /x.db: Permission denied"))
        let facts = Healthy.facts(tables: [broken, Self.bridge()])
        #expect(Healthy.findings(.mapOrder, facts).severities == [.fail])
        #expect(Healthy.findings(.mapOrder, facts, isRoot: false).severities == [.unknown])
        let alone = Healthy.findings(.mapOrder, Healthy.facts(tables: [broken, Self.stranger("hash:/y")]))
        #expect(alone.severities == [.fail], "without the bridge, too")
        let silent = Self.stranger("proxy:hash:/x", .notAsked("postmap did not end in time"))
        #expect(Healthy.findings(.mapOrder, Healthy.facts(tables: [Self.bridge(), silent])).severities == [.unknown])
    }

    @Test func `proxy in front of the bridge is a warning`() {
        let findings = Healthy.findings(.mapOrder, Healthy.facts(tables: [Self.bridge("proxy:" + Healthy.table)]))
        #expect(findings.severities == [.warn])
        #expect(findings.first?.remedy?.line == "smtp_tls_policy_maps = \(Healthy.table)")
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
            Healthy.survey(["mail_version": version]), tables: [Self.bridge("socketmap:inet:127.0.0.1:8461:\(name)")])
        #expect(Healthy.findings(.mapName, facts).severities == [severity])
    }

    @Test func `tcp_table speaks what postfix version says`() {
        let tables = [Self.bridge("tcp:127.0.0.1:8462")]
        #expect(Healthy.findings(.mapName, Healthy.facts(tables: tables)).severities == [.ok])
        var setup = Healthy.setup
        setup.choices.release = PostfixRelease(major: 3, minor: 10)
        let findings = Healthy.findings(.mapName, Healthy.facts(tables: tables), setup)
        #expect(findings.severities == [.fail])
        #expect(findings.first?.remedy == Remedy(.configuration, "postfix: { version: auto }"))
    }

    @Test func `text of main cf is escaped`() {
        let tables = [Self.stranger("static:\u{1B}[31m", .found("x")), Self.bridge()]
        let text = PostfixCheckup(Healthy.facts(tables: tables), beside: Healthy.setup).findings.text
        #expect(!text.contains("\u{1B}"))
        #expect(text.contains(#"\x1B[31m"#))
    }
}
