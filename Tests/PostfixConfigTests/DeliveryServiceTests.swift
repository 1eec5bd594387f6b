import Foundation
import PostfixConfig
import Testing

/// The services of master.cf that deliver mail, with their overrides.
@Suite(.serialized, .timeLimit(.minutes(5))) struct DeliveryServiceTests {
    private static let main = """
        compatibility_level = 3.6
        my_level = may
        strict = encrypt
        smtp_tls_security_level = $my_level
        smtp_dns_support_level = dnssec
        smtp_tls_policy_maps = socketmap:inet:127.0.0.1:8461:postfix

        """

    /// The services, read with postconf and read from the files.
    private static func services(_ master: String, main: String = main) throws -> [[DeliveryService]] {
        let directory = FileManager.default.temporaryDirectory.appending(path: "sts-services-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try main.write(toFile: directory + "/main.cf", atomically: false, encoding: .utf8)
        try master.write(toFile: directory + "/master.cf", atomically: false, encoding: .utf8)
        let path = try #require(Postconf.find(searchPath: ""))
        return [
            try Postconf(path: path, configurationDirectory: directory).profile().services,
            try PostfixConfiguration.load(postconf: path, directory: directory).profile.services,
            try PostfixConfiguration.load(postconf: nil, directory: directory).profile.services,
        ]
    }

    private static func service(_ name: String, level: String, dnssec: Bool = true) -> DeliveryService {
        DeliveryService(name: name, validatesDNS: dnssec, securityLevel: SecurityLevel(level))
    }

    @Test func `each service has its own level and DNSSEC, in every notation of master cf`() throws {
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
                    Self.service("smtp", level: "encrypt"), Self.service("braces", level: "verify"),
                    Self.service("name", level: "encrypt"),
                    Self.service("own", level: "secure"), Self.service("indirect", level: "secure"),
                    Self.service("plain", level: "may", dnssec: false),
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
            #expect(
                services == [Self.service("smtp", level: "may"), Self.service("filter", level: "may", dnssec: false)])
        }
    }

    @Test func `a master cf that postconf refuses is an error, a missing one is not`() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "sts-services-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Self.main.write(toFile: directory + "/main.cf", atomically: false, encoding: .utf8)
        let path = try #require(Postconf.find(searchPath: ""))
        let postconf = Postconf(path: path, configurationDirectory: directory)
        #expect(try postconf.profile().services == [Self.service("smtp", level: "may")])
        try "smtp unix\n".write(toFile: directory + "/master.cf", atomically: false, encoding: .utf8)
        #expect(throws: PostconfError.self) { try postconf.profile() }
    }

    // MARK: Services that differ

    @Test func `DANE needs DNSSEC in all services`() {
        func validates(_ values: Bool...) -> Bool {
            PostfixProfile(release: nil, services: values.map { Self.service("s", level: "may", dnssec: $0) })
                .validatesDNS
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
    func `the level that decides the replies weakens no service`(levels: [String], binding: String) {
        #expect(SecurityLevel.binding(among: levels.map { SecurityLevel($0) }).text == binding)
    }

    @Test(
        arguments: [
            ("may", "", true), ("dane", "may", true), ("encrypt", "secure", true), ("dane", "dane-only", true),
            ("may", "encrypt", false), ("dane", "encrypt", false), ("encrypt", "fingerprint", false),
        ] as [(String, String, Bool)])
    func `replies for the level of another service are compared`(level: String, binding: String, isServed: Bool) {
        #expect(SecurityLevel(level).isServed(by: SecurityLevel(binding)) == isServed)
    }
}
