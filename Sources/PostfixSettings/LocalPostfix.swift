/// What the Postfix on this host says of itself: main.cf with its defaults and, for each delivery service, master.cf's
/// overrides.
package struct LocalPostfix: Equatable, Sendable {
    /// `nil` for a version that we cannot read; then nothing follows from it.
    package let release: PostfixRelease?
    /// The services that ask the bridge; at least one.
    package let services: [DeliveryService]
    /// Absolute path of the directory of main.cf and master.cf; `nil` if postconf does not print it.
    package let configurationDirectory: String?

    package init(release: PostfixRelease?, services: [DeliveryService], configurationDirectory: String? = nil) {
        self.release = release
        self.services = services
        self.configurationDirectory = configurationDirectory
    }

    /// One whose services are all as main.cf has them.
    package init(
        release: PostfixRelease?, validatesDNS: Bool, securityLevel: SecurityLevel,
        configurationDirectory: String? = nil
    ) {
        self.init(
            release: release,
            services: [DeliveryService(name: "smtp", validatesDNS: validatesDNS, securityLevel: securityLevel)],
            configurationDirectory: configurationDirectory)
    }

    /// `smtp_dns_support_level = dnssec` for every service: Postfix asks for validated answers. A service without it takes
    /// `dane` for `may`, and defers mail on `dane-only`.
    package var validatesDNS: Bool { !services.isEmpty && services.allSatisfy(\.validatesDNS) }

    /// What the bridge's replies about DANE go by.
    package var securityLevel: SecurityLevel { .binding(among: services.lazy.map(\.securityLevel)) }

    /// The parameters that `init(_:clients:)` reads. Sites older than Postfix 2.3 have `smtp_enforce_tls` for a level.
    package static let parameters = [
        "mail_version", "smtp_dns_support_level", "smtp_tls_security_level", "smtp_enforce_tls", "smtp_tls_policy_maps",
        "config_directory",
    ]

    /// From lines of `name = value`, as postconf(1) writes them, without overrides. A parameter that this version does not
    /// have is missing from its output, and then has no value here.
    package init(postconf output: some StringProtocol) {
        let parameters = PostfixParameters(postconf: output)
        self.init(
            parameters, clients: [SMTPClient(name: "smtp", isChrooted: nil, parameters: parameters, overridden: [])])
    }

    /// - Parameter clients: all services that run smtp(8), each with its own overrides.
    package init(_ parameters: PostfixParameters, clients: [SMTPClient]) {
        release = parameters["mail_version"].flatMap { PostfixRelease($0) }
        services = DeliveryService.all(among: clients)
        configurationDirectory = parameters["config_directory"]
    }
}
