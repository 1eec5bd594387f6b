/// The settings of the Postfix on this host that the bridge's replies depend on: main.cf with its defaults and, for each
/// delivery service, the overrides of master.cf.
package struct PostfixProfile: Equatable, Sendable {
    /// `nil` for an unknown version format.
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

    /// A profile with one service, which overrides nothing.
    package init(
        release: PostfixRelease?, validatesDNS: Bool, securityLevel: SecurityLevel,
        configurationDirectory: String? = nil
    ) {
        self.init(
            release: release,
            services: [DeliveryService(name: "smtp", validatesDNS: validatesDNS, securityLevel: securityLevel)],
            configurationDirectory: configurationDirectory)
    }

    /// Whether every service has `smtp_dns_support_level = dnssec`, with which Postfix asks for validated answers. A service
    /// without it treats `dane` as `may`, and defers mail on `dane-only`.
    package var validatesDNS: Bool { !services.isEmpty && services.allSatisfy(\.validatesDNS) }

    /// The level that decides the bridge's replies about DANE.
    package var securityLevel: SecurityLevel { .binding(among: services.lazy.map(\.securityLevel)) }

    /// The parameters that `init(_:clients:)` reads. Configurations from before Postfix 2.3 set `smtp_enforce_tls` instead of
    /// a level.
    package static let parameters = [
        "mail_version", "smtp_dns_support_level", "smtp_tls_security_level", "smtp_enforce_tls", "smtp_tls_policy_maps",
        "config_directory",
    ]

    /// Parses lines of `name = value`, as postconf(1) writes them, without overrides. postconf omits a parameter that its
    /// version does not have; it then has no value here.
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
