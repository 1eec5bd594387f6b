import Glibc

/// What one Postfix is told: main.cf, and the services of master.cf that send mail.
package struct PostfixSurvey: Equatable, Sendable {
    package enum Source: Equatable, Sendable {
        /// This program said it, defaults and all: the Postfix of this host.
        case postconf(String)
        /// Read by ourselves, without defaults: the Postfix, and the files it names, are elsewhere.
        case files
    }

    package let source: Source
    /// Where main.cf is.
    package let directory: String
    package let parameters: PostfixParameters
    package let services: [MasterService]
    /// By name, of services with overrides: all parameters as such a service sees them. An override also changes what
    /// refers to it (`smtp_tls_security_level = $my_level`).
    private let overridden: [String: PostfixParameters]

    /// - Parameter overridden: for a service that is missing here its overrides go on top of `parameters`.
    package init(
        source: Source, directory: String, parameters: PostfixParameters, services: [MasterService],
        overridden: [String: PostfixParameters] = [:]
    ) {
        self.overridden = overridden
        self.source = source
        self.directory = directory
        self.parameters = parameters
        self.services = services
    }

    package var local: LocalPostfix { LocalPostfix(parameters, clients: clients) }

    package var isOfThisHost: Bool {
        switch source {
        case .postconf: true
        case .files: false
        }
    }

    package var queueDirectory: String { parameters["queue_directory"] ?? "/var/spool/postfix" }
    package var mailOwner: String { parameters["mail_owner"] ?? "postfix" }

    /// The services by which mail leaves: smtp(8), each as it sees main.cf. Without a master.cf the one that every
    /// Postfix has.
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

    /// Of proxymap(8), which looks up for `proxy:` tables.
    package var isProxymapChrooted: Bool? {
        services.first { $0.name == "proxymap" }.flatMap(isChrooted)
    }

    /// `nil`: cannot be told without the version.
    private func isChrooted(_ service: MasterService) -> Bool? {
        switch service.chroot {
        case .yes: return true
        case .no: return false
        case .standard:
            // Since 3.0 it is the compatibility level that decides; without one it is 0.
            guard let level = parameters["compatibility_level"] else {
                return source == .files ? nil : true
            }
            return level == "0"
        }
    }

    /// The parameters that a doctor wants to know, besides those of `LocalPostfix`.
    package static let parameterNames =
        LocalPostfix.parameters + [
            "compatibility_level", "default_transport", "mail_owner", "queue_directory", "relayhost",
            "sender_dependent_relayhost_maps", "smtp_fallback_relay", "smtp_tls_CAfile", "smtp_tls_CApath",
            "smtp_tls_dane_insecure_mx_policy", "smtp_tls_enforce_sts_mx_patterns", "smtp_tls_policy_maps",
            "smtp_tls_session_cache_database", "smtp_tls_session_cache_timeout", "smtp_tlsrpt_enable", "smtp_use_tls",
            "tls_append_default_CA", "transport_maps",
        ]
}

/// One service that runs smtp(8).
package struct SMTPClient: Equatable, Sendable {
    package let name: String
    /// `nil`: not known.
    package let isChrooted: Bool?
    /// With the service's own overrides.
    package let parameters: PostfixParameters
    /// What is set in master.cf and not in main.cf.
    package let overridden: Set<String>

    package init(name: String, isChrooted: Bool?, parameters: PostfixParameters, overridden: Set<String>) {
        self.name = name
        self.isChrooted = isChrooted
        self.parameters = parameters
        self.overridden = overridden
    }
}

extension PostfixSurvey {
    /// Asks `postconf`, or reads the files where there is none. Blocks: milliseconds, ten seconds at most.
    ///
    /// - Parameter directory: as postconf's `-c`; `nil`: Postfix's own, or `MAIL_CONFIG`.
    package static func taken(postconf path: String?, directory: String?) throws(SurveyFailure) -> PostfixSurvey {
        guard let path else { return try read(directory ?? mailConfig ?? "/etc/postfix") }
        do throws(PostconfFailure) {
            return try Postconf(path: path, configurationDirectory: directory).survey(parameterNames)
        } catch {
            throw .postconf(error)
        }
    }

    private static var mailConfig: String? { getenv("MAIL_CONFIG").map { String(cString: $0) } }

    private static func read(_ directory: String) throws(SurveyFailure) -> PostfixSurvey {
        let main = try text(of: directory + "/main.cf")
        // Without its services much can still be said.
        let services = MasterService.all(in: (try? text(of: directory + "/master.cf")) ?? "")
        let overridden = services.filter { $0.isSMTPClient && !$0.overrides.isEmpty }.map {
            ($0.name, MainFile.parameters(in: main, overrides: $0.overrides))
        }
        return PostfixSurvey(
            source: .files, directory: directory, parameters: MainFile.parameters(in: main), services: services,
            overridden: Dictionary(overridden) { $1 })
    }

    /// A file of at most 4 MiB; no main.cf is near that.
    private static func text(of path: String) throws(SurveyFailure) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(path: path, code: errno) }
        defer { close(descriptor) }
        var octets: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while octets.count < 1 << 22 {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .unreadable(path: path, code: errno) }
            guard count > 0 else { break }
            octets += chunk[..<count]
        }
        return String(decoding: octets, as: UTF8.self)
    }
}

/// Postfix's settings could not be had.
package enum SurveyFailure: Error, Equatable, Sendable {
    case postconf(PostconfFailure)
    /// No postconf, and no main.cf either; the code is errno's.
    case unreadable(path: String, code: Int32)
}

extension SurveyFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .postconf(let failure): "\(failure)"
        case .unreadable(let path, let code): "no postconf here, and \(path): \(String(cString: strerror(code)))"
        }
    }
}
