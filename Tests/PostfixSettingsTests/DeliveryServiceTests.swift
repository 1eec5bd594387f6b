import Foundation
import PostfixSettings
import Testing

/// The services of master.cf that deliver mail, each with its overrides.
@Suite(.serialized, .timeLimit(.minutes(5))) struct DeliveryServiceTests {
    private static let main = """
        compatibility_level = 3.6
        my_level = may
        strict = encrypt
        smtp_tls_security_level = $my_level
        smtp_dns_support_level = dnssec
        smtp_tls_policy_maps = socketmap:inet:127.0.0.1:8461:postfix

        """

    /// The services as postconf and as the files have them.
    private static func services(_ master: String, main: String = main) throws -> [[DeliveryService]] {
        let directory = FileManager.default.temporaryDirectory.appending(path: "sts-services-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try main.write(toFile: directory + "/main.cf", atomically: false, encoding: .utf8)
        try master.write(toFile: directory + "/master.cf", atomically: false, encoding: .utf8)
        let path = try #require(Postconf.find(searchPath: ""))
        return [
            try Postconf(path: path, configurationDirectory: directory).ask().services,
            try PostfixSurvey.taken(postconf: path, directory: directory).local.services,
            try PostfixSurvey.taken(postconf: nil, directory: directory).local.services,
        ]
    }

    private static func service(_ name: String, _ level: String, dnssec: Bool = true) -> DeliveryService {
        DeliveryService(name: name, validatesDNS: dnssec, securityLevel: SecurityLevel(level))
    }

    @Test func `each service has its own level and DNSSEC, however master cf writes them`() throws {
        let all = try Self.services(
            """
            smtp      unix  -       -       n       -       -       smtp
              -o smtp_tls_security_level=encrypt
            braces    unix  -       -       n       -       -       smtp -o { smtp_tls_security_level = verify }
            name      unix  -       -       n       -       -       smtp
              -o smtp_tls_security_level=$strict
            own       unix  -       -       n       -       -       smtp
              -o strict=secure -o smtp_tls_security_level=$strict
            indirect  unix  -       -       n       -       -       smtp
              -o my_level=secure
            plain     unix  -       -       n       -       -       smtp
              -o syslog_name=postfix/plain
              -o { smtp_dns_support_level = enabled }
            smtp      inet  n       -       n       -       -       smtpd
              -o smtp_tls_security_level=none
            lmtp      unix  -       -       n       -       -       lmtp
              -o smtp_dns_support_level=enabled

            """)
        for services in all {
            #expect(
                services == [
                    Self.service("smtp", "encrypt"), Self.service("braces", "verify"), Self.service("name", "encrypt"),
                    Self.service("own", "secure"), Self.service("indirect", "secure"),
                    Self.service("plain", "may", dnssec: false),
                ])
        }
    }

    @Test func `a service without a table server does not count, unless none has one`() throws {
        let master = """
            smtp      unix  -       -       n       -       -       smtp
            filter    unix  -       -       n       -       -       smtp
              -o smtp_dns_support_level=disabled -o smtp_tls_policy_maps=
            piped     unix  -       -       n       -       -       smtp
              -o { smtp_tls_policy_maps = pipemap:{ static:x, socketmap:unix:run/s:sts } }

            """
        for services in try Self.services(master) { #expect(services.map(\.name) == ["smtp", "piped"]) }
        let without = Self.main.replacing("socketmap:inet:127.0.0.1:8461:postfix", with: "static:may")
        let two = master.components(separatedBy: "piped")[0]
        for services in try Self.services(two, main: without) {
            #expect(services == [Self.service("smtp", "may"), Self.service("filter", "may", dnssec: false)])
        }
    }

    @Test func `a master cf that postconf refuses is a failure, one that is missing is not`() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "sts-services-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Self.main.write(toFile: directory + "/main.cf", atomically: false, encoding: .utf8)
        let path = try #require(Postconf.find(searchPath: ""))
        let postconf = Postconf(path: path, configurationDirectory: directory)
        #expect(try postconf.ask().services == [Self.service("smtp", "may")])
        try "smtp unix\n".write(toFile: directory + "/master.cf", atomically: false, encoding: .utf8)
        #expect(throws: PostconfFailure.self) { try postconf.ask() }
    }

    // MARK: Services that differ

    @Test func `DANE takes DNSSEC in all services`() {
        func validates(_ values: Bool...) -> Bool {
            LocalPostfix(release: nil, services: values.map { Self.service("s", "may", dnssec: $0) }).validatesDNS
        }
        #expect(validates(true, true))
        #expect(!validates(true, false))
        #expect(!validates(false, true))
        #expect(!validates())
    }

    @Test(
        arguments: [
            (["may"], "may"), (["may", "encrypt"], "encrypt"), (["encrypt", "may"], "encrypt"), (["none", ""], "none"),
            (["dane", "may"], "may"), (["dane", "dane-only"], "dane-only"), (["may", "dane-only"], "dane-only"),
            (["dane-only", "verify"], "verify"), (["dane", "secure", "encrypt"], "secure"),
            (["secure", "fingerprint"], "fingerprint"), (["may", "always"], "always"), ([], "may"),
        ] as [([String], String)])
    func `the level that replies go by weakens no service`(levels: [String], binding: String) {
        #expect(SecurityLevel.binding(among: levels.map { SecurityLevel($0) }).text == binding)
    }

    @Test(
        arguments: [
            ("may", "", true), ("dane", "may", true), ("encrypt", "secure", true), ("dane", "dane-only", true),
            ("may", "encrypt", false), ("dane", "encrypt", false), ("encrypt", "fingerprint", false),
        ] as [(String, String, Bool)])
    func `what the level of another service costs is known`(level: String, binding: String, isServed: Bool) {
        #expect(SecurityLevel(level).isServed(by: SecurityLevel(binding)) == isServed)
    }
}
