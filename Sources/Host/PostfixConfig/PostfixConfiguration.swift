import Glibc
import LocalSystem

/// The configuration of one Postfix: main.cf, and the services of master.cf that send mail.
package struct PostfixConfiguration: Equatable, Sendable {
    package enum Source: Equatable, Sendable {
        /// The postconf at this path printed it, with defaults: the Postfix of this host.
        case postconf(String)
        /// Read from the files, without defaults: the Postfix, and the files it names, are on another host.
        case files
    }

    package let source: Source
    /// The directory of main.cf.
    package let directory: String
    package let parameters: PostfixParameters
    package let services: [MasterCF]
    /// For each service with overrides, by name: all parameters as the service sees them. An override also changes the
    /// parameters that refer to it (`smtp_tls_security_level = $my_level`).
    private let overridden: [String: PostfixParameters]

    /// - Parameter overridden: if a service is missing here, its overrides are merged into `parameters`.
    package init(
        source: Source, directory: String, parameters: PostfixParameters, services: [MasterCF],
        overridden: [String: PostfixParameters] = [:]
    ) {
        self.overridden = overridden
        self.source = source
        self.directory = directory
        self.parameters = parameters
        self.services = services
    }

    package var profile: PostfixProfile { PostfixProfile(parameters, clients: clients) }

    package var isOfThisHost: Bool {
        switch source {
        case .postconf: true
        case .files: false
        }
    }

    package var queueDirectory: String { parameters["queue_directory"] ?? "/var/spool/postfix" }
    package var mailOwner: String { parameters["mail_owner"] ?? "postfix" }

    /// The services that send mail with smtp(8), each with main.cf as it sees it. Without a master.cf: the service `smtp`,
    /// which every Postfix has.
    package var clients: [SMTPClient] {
        let found = services.filter(\.isSMTPClient)
        guard !found.isEmpty else {
            return [SMTPClient(name: "smtp", isChrooted: nil, parameters: parameters, overridden: [])]
        }
        return found.map {
            SMTPClient(
                name: $0.name, isChrooted: isChrooted($0),
                parameters: overridden[$0.name] ?? parameters.overridden(by: $0.overrides),
                overridden: Set($0.overrides.keys))
        }
    }

    /// Whether proxymap(8), which opens `proxy:` tables, runs in the chroot; `nil`: unknown.
    package var isProxymapChrooted: Bool? {
        services.first { $0.name == "proxymap" }.flatMap(isChrooted)
    }

    /// `nil`: unknown without the version.
    private func isChrooted(_ service: MasterCF) -> Bool? {
        switch service.chroot {
        case .yes: return true
        case .no: return false
        case .standard:
            // Since Postfix 3.0 the compatibility level decides; its default is 0.
            guard let level = parameters["compatibility_level"] else {
                return source == .files ? nil : true
            }
            return level == "0"
        }
    }

    /// The parameters that the doctor reads: those of `PostfixProfile` and more.
    package static let parameterNames =
        PostfixProfile.parameters + [
            "compatibility_level", "default_transport", "mail_owner", "queue_directory", "relayhost",
            "sender_dependent_relayhost_maps", "smtp_fallback_relay", "smtp_tls_CAfile", "smtp_tls_CApath",
            "smtp_tls_dane_insecure_mx_policy", "smtp_tls_enforce_sts_mx_patterns", "smtp_tls_policy_maps",
            "smtp_tls_session_cache_database", "smtp_tls_session_cache_timeout", "smtp_tlsrpt_enable", "smtp_use_tls",
            "tls_append_default_CA", "transport_maps",
        ]
}

/// A service that runs smtp(8).
package struct SMTPClient: Equatable, Sendable {
    package let name: String
    /// `nil`: unknown.
    package let isChrooted: Bool?
    /// The parameters with the service's own overrides.
    package let parameters: PostfixParameters
    /// The names that master.cf sets for this service.
    package let overridden: Set<String>

    package init(name: String, isChrooted: Bool?, parameters: PostfixParameters, overridden: Set<String>) {
        self.name = name
        self.isChrooted = isChrooted
        self.parameters = parameters
        self.overridden = overridden
    }
}

extension PostfixConfiguration {
    /// Runs `postconf`, or reads the files if there is no postconf. Blocks for milliseconds, ten seconds at most.
    ///
    /// - Parameter directory: the value of postconf's `-c`; `nil`: Postfix's default, or `MAIL_CONFIG`.
    package static func load(
        postconf path: String?, directory: String?
    ) throws(PostfixConfigurationError) -> PostfixConfiguration {
        guard let path else { return try read(directory ?? mailConfig ?? "/etc/postfix") }
        do throws(PostconfError) {
            return try Postconf(path: path, configurationDirectory: directory).configuration(parameterNames)
        } catch {
            throw .postconf(error)
        }
    }

    private static var mailConfig: String? { getenv("MAIL_CONFIG").map { String(cString: $0) } }

    private static func read(_ directory: String) throws(PostfixConfigurationError) -> PostfixConfiguration {
        let main = try text(of: directory + "/main.cf")
        // A missing master.cf is no error: most checks need only main.cf.
        let services = MasterCF.all(in: (try? text(of: directory + "/master.cf")) ?? "")
        let overridden = services.filter { $0.isSMTPClient && !$0.overrides.isEmpty }.map {
            ($0.name, MainCF.parameters(in: main, overrides: $0.overrides))
        }
        return PostfixConfiguration(
            source: .files, directory: directory, parameters: MainCF.parameters(in: main), services: services,
            overridden: Dictionary(overridden) { $1 })
    }

    /// Reads at most 4 MiB, far more than any main.cf has.
    private static func text(of path: String) throws(PostfixConfigurationError) -> String {
        do throws(SmallFile.ReadError) {
            return String(decoding: try SmallFile.read(path, limit: 1 << 22), as: UTF8.self)
        } catch {
            throw .unreadable(path: path, code: error.code)
        }
    }
}

/// Postfix's settings could not be read.
package enum PostfixConfigurationError: Error, Equatable, Sendable {
    case postconf(PostconfError)
    /// There is no postconf, and the file cannot be read. The code is an errno.
    case unreadable(path: String, code: Int32)
}

extension PostfixConfigurationError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .postconf(let error): "\(error)"
        case .unreadable(let path, let code):
            "no postconf on this host, and cannot read \(path): \(String(cString: strerror(code)))"
        }
    }
}
