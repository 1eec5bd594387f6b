/// What the Postfix on this host says of itself: main.cf with its defaults, as smtp(8) reads it.
///
/// Not here: `-o` overrides of single services in master.cf.
package struct LocalPostfix: Equatable, Sendable {
    /// `nil` for a version that we cannot read; then nothing follows from it.
    package let release: PostfixRelease?
    /// `smtp_dns_support_level = dnssec`: Postfix asks for validated answers. Without it `dane` acts as `may`, and
    /// `dane-only` defers.
    package let validatesDNS: Bool
    package let securityLevel: SecurityLevel
    /// Absolute path of the directory of main.cf and master.cf; `nil` if postconf does not print it.
    package let configurationDirectory: String?

    package init(
        release: PostfixRelease?, validatesDNS: Bool, securityLevel: SecurityLevel,
        configurationDirectory: String? = nil
    ) {
        self.release = release
        self.validatesDNS = validatesDNS
        self.securityLevel = securityLevel
        self.configurationDirectory = configurationDirectory
    }

    /// The parameters that `init(postconf:)` reads. Sites older than Postfix 2.3 have `smtp_enforce_tls` for a level.
    package static let parameters = [
        "mail_version", "smtp_dns_support_level", "smtp_tls_security_level", "smtp_enforce_tls", "config_directory",
    ]

    /// From lines of `name = value`, as postconf(1) writes them. A parameter that this version does not have is missing
    /// from its output, and then has no value here.
    package init(postconf output: some StringProtocol) {
        self.init(PostfixParameters(postconf: output))
    }

    package init(_ parameters: PostfixParameters) {
        let level = parameters.text("smtp_tls_security_level")
        let enforces = parameters["smtp_enforce_tls"] == "yes"
        release = parameters["mail_version"].flatMap { PostfixRelease($0) }
        validatesDNS = parameters["smtp_dns_support_level"]?.lowercased() == "dnssec"
        securityLevel = level.isEmpty && enforces ? .other("encrypt") : SecurityLevel(level)
        configurationDirectory = parameters["config_directory"]
    }
}

/// The site's own level, `smtp_tls_security_level`: what is in force where a lookup says "not found".
package enum SecurityLevel: Hashable, Sendable {
    /// Empty, `none` or `may`: anything said of a destination is stronger.
    case opportunistic(String)
    /// Stronger than `may`, or not known to us.
    case other(String)

    package init(_ text: some StringProtocol) {
        let level = text.lowercased()
        self = ["", "none", "may"].contains(level) ? .opportunistic(level) : .other(level)
    }

    /// As Postfix writes it; may be empty.
    package var text: String {
        switch self {
        case .opportunistic(let text), .other(let text): text
        }
    }

    /// Whether `dane`, which falls to `may` on hosts without TLSA records, may replace it.
    package var givesWayToDANE: Bool {
        switch self {
        case .opportunistic: true
        case .other: false
        }
    }

    /// Whether `dane-only` may replace it where every host has usable TLSA records: it demands TLS, and authenticates hosts
    /// by certificates or not at all.
    package var givesWayToDANEOnly: Bool {
        switch self {
        case .opportunistic: false
        case .other(let level): ["encrypt", "verify", "secure"].contains(level)
        }
    }
}
