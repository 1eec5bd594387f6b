import PostfixConfig
import Testing

/// main.cf and master.cf, parsed without postconf.
@Suite struct PostfixFilesTests {
    @Test func `lines continue, comments are ignored, and the last setting counts`() {
        let parameters = MainCF.parameters(
            in: """
                # smtp_tls_CAfile = /no
                smtp_tls_policy_maps =
                    inline:{{a.example=may}}
                  # in between

                  socketmap:inet:127.0.0.1:8461:postfix
                empty =
                twice = 1
                 twice = 2
                twice=3
                no pair
                """)
        #expect(parameters["smtp_tls_CAfile"] == nil)
        #expect(
            parameters["smtp_tls_policy_maps"] == "inline:{{a.example=may}} socketmap:inet:127.0.0.1:8461:postfix")
        #expect(parameters["empty"] == "")
        #expect(parameters["twice"] == "3")
        #expect(parameters.text("not there") == "")
    }

    @Test func `references are expanded at any depth, and a loop ends`() {
        let parameters = MainCF.parameters(
            in: """
                a = $b/x ${c} $(d)$$e
                b = <$c>
                c = C
                d =
                unset = $undefined.
                loop = $loop
                choice = ${c?yes}
                """)
        #expect(parameters["a"] == "<C>/x C $e")
        #expect(parameters["unset"] == ".")
        #expect(parameters["loop"] == "$loop")
        #expect(parameters["choice"] == "${c?yes}")
    }

    @Test func `services have their chroot, program and overrides`() {
        let services = MasterCF.all(
            in: """
                # service type private unpriv chroot wakeup maxproc command
                smtp      inet  n       -       y       -       -       smtpd
                  -o smtpd_tls_security_level=may
                smtp      unix  -       -       y       -       -       smtp
                relay     unix  -       -       -       -       -       smtp
                  -o smtp_fallback_relay= -osmtp_helo_timeout=5
                  -o { smtp_tls_policy_maps = static:none, inline:{ {a = b} } }
                 -v
                qmgr      unix  n       -       n       300     1       qmgr
                broken    unix
                """)
        #expect(services.map(\.name) == ["smtp", "smtp", "relay", "qmgr"])
        #expect(services.map(\.program) == ["smtpd", "smtp", "smtp", "qmgr"])
        #expect(services.map(\.chroot) == [.yes, .yes, .standard, .no])
        #expect(
            services[2].overrides == [
                "smtp_fallback_relay": "", "smtp_helo_timeout": "5",
                "smtp_tls_policy_maps": "static:none, inline:{ {a = b} }",
            ])
    }

    // MARK: Tables

    @Test func `tables are separated, and braces keep words together`() {
        let tables = PolicyTable.all(
            in: """
                inline:{ { a.example = may }, { b.example = none } }, proxy:socketmap:unix:run/s:QUERY,socketmap:inet:[::1]:8461:sts \
                tcp:localhost:8462 static:none
                """)
        #expect(
            tables.map(\.kind) == [
                .other(type: "inline"), .socketmap(.unix(path: "run/s"), map: "QUERY"),
                .socketmap(.inet(host: "::1", port: 8461), map: "sts"), .tcp(.inet(host: "localhost", port: 8462)),
                .other(type: "static"),
            ])
        #expect(tables.map(\.isProxied) == [false, true, false, false, false])
        #expect(tables[1].text == "socketmap:unix:run/s:QUERY")
        #expect(PolicyTable.all(in: " , ").isEmpty)
    }

    @Test(arguments: [
        "socketmap:inet:127.0.0.1:8461", "socketmap:unix:/run/s", "socketmap:", "socketmap:inet:127.0.0.1:8461:",
        "socketmap:udp:x:y", "socketmap:inet::8461:x", "tcp:8462", "tcp:", "tcp:h:0", "tcp:h:99999",
    ])
    func `a table that ends smtp with a fatal error is malformed`(text: String) {
        guard case .malformed = PolicyTable(text).kind else {
            Issue.record("\(PolicyTable(text).kind)")
            return
        }
    }

    // MARK: A complete Postfix

    private static func configuration(
        _ source: PostfixConfiguration.Source, level: String?, chroot: MasterCF.Chroot
    ) -> PostfixConfiguration {
        PostfixConfiguration(
            source: source, directory: "/etc/postfix",
            parameters: PostfixParameters(level.map { ["compatibility_level": $0] } ?? [:]),
            services: [MasterCF(name: "smtp", type: "unix", chroot: chroot, program: "smtp")])
    }

    @Test(arguments: [
        (MasterCF.Chroot.yes, Optional("3.6"), true), (.no, "0", false), (.standard, "3.6", false),
        (.standard, "2", false), (.standard, "0", true), (.standard, nil, true),
    ])
    func `a chroot column of minus depends on the compatibility level`(
        chroot: MasterCF.Chroot, level: String?, isChrooted: Bool
    ) {
        let configuration = Self.configuration(.postconf("/usr/sbin/postconf"), level: level, chroot: chroot)
        #expect(configuration.clients.map(\.isChrooted) == [isChrooted])
    }

    @Test func `without a level the chroot is unknown, and without services there is one client`() {
        #expect(Self.configuration(.files, level: nil, chroot: .standard).clients.map(\.isChrooted) == [nil])
        let bare = PostfixConfiguration(source: .files, directory: "/x", parameters: PostfixParameters(), services: [])
        #expect(bare.clients.map(\.name) == ["smtp"])
        #expect(bare.clients.map(\.isChrooted) == [nil])
        #expect(bare.queueDirectory == "/var/spool/postfix")
    }

    @Test func `only smtp sends mail, and each service sees its own settings`() {
        let services = [
            MasterCF(name: "smtp", type: "inet", chroot: .no, program: "smtpd"),
            MasterCF(name: "smtp", type: "unix", chroot: .no, program: "smtp"),
            MasterCF(name: "relay", type: "unix", chroot: .no, program: "smtp", overrides: ["a": "2"]),
            MasterCF(name: "lmtp", type: "unix", chroot: .no, program: "lmtp"),
        ]
        let configuration = PostfixConfiguration(
            source: .files, directory: "/x", parameters: PostfixParameters(["a": "1"]), services: services)
        #expect(configuration.clients.map(\.name) == ["smtp", "relay"])
        #expect(configuration.clients.map { $0.parameters["a"] } == ["1", "2"])
        #expect(configuration.clients.map(\.overridden) == [[], ["a"]])
    }
}
