/// What one check found out about this host, in words for whom it may concern.
///
/// Text from elsewhere in it (main.cf, DNS, other programs) is escaped.
package struct Finding: Equatable, Sendable {
    package let check: Check
    package let severity: Severity
    /// What it means for mail; one or two sentences.
    package let meaning: String
    /// What to change, all of it; empty where there is nothing, or nothing that lines could do.
    package let remedies: [Remedy]
    /// The services of master.cf that it is true of; empty: all, or it has nothing to do with them.
    package var services: [String] = []

    package init(_ check: Check, _ severity: Severity, _ meaning: String, _ remedies: Remedy?...) {
        self.check = check
        self.severity = severity
        self.meaning = meaning
        self.remedies = remedies.compactMap { $0 }
    }
}

/// In the order of concern.
package enum Severity: String, Sendable, CaseIterable, Comparable {
    /// Does not matter on this host; the meaning says why.
    case skip
    case ok
    /// Could not be checked.
    case unknown
    /// Mail flows, but less safely or less surely than it could.
    case warn
    /// Policies are not applied, or mail waits.
    case fail

    package static func < (one: Severity, other: Severity) -> Bool { one.rank < other.rank }

    private var rank: Int {
        switch self {
        case .skip: 0
        case .ok: 1
        case .unknown: 2
        case .warn: 3
        case .fail: 4
        }
    }
}

/// The exact line, and where it belongs.
package struct Remedy: Equatable, Sendable {
    package enum Place: String, Sendable {
        case mainCF = "main.cf"
        case masterCF = "master.cf"
        case configuration = "config.yaml"
        case shell
    }

    package let place: Place
    package let line: String

    package init(_ place: Place, _ line: String) {
        self.place = place
        self.line = line
    }
}

/// Everything that is looked at. The names are what scripts know: they do not change.
package enum Check: String, Sendable, CaseIterable {
    // Ourselves.
    case user
    case configuration
    case daemon
    case daemonSettings = "daemon-settings"
    case lookup
    case socketMode = "socket-mode"
    case adminSocket = "admin-socket"
    case cache
    case clock
    // Postfix.
    case postfix
    case policyMaps = "policy-maps"
    case mapOrder = "map-order"
    case mapSocket = "map-socket"
    case mapName = "map-name"
    case authorities = "ca"
    case securityLevel = "security-level"
    case dnsSupport = "dns-support"
    case daneInsecureMX = "dane-insecure-mx"
    case tlsReports = "tls-reports"
    case mxPatterns = "mx-patterns"
    case sessionCache = "session-cache"
    case fallbackRelay = "fallback-relay"
    case relayhost
    case transportMaps = "transport-maps"
    case serviceOverrides = "service-overrides"
    // The world.
    case nameServers = "name-servers"
    case dnssecSigned = "dnssec-signed"
    case dnssecBogus = "dnssec-bogus"
    case dnssecUnsigned = "dnssec-unsigned"
    case postfixResolver = "postfix-resolver"
    case policyFetch = "policy-fetch"
}

extension Check {
    /// What it is about, for a heading.
    package enum Area: String, Sendable {
        case bridge = "The bridge"
        case postfix = "Postfix"
        case world = "DNS and HTTPS"
    }

    package var area: Area {
        switch self {
        case .user, .configuration, .daemon, .daemonSettings, .lookup, .socketMode, .adminSocket, .cache, .clock:
            .bridge
        case .postfix, .policyMaps, .mapOrder, .mapSocket, .mapName, .authorities, .securityLevel, .dnsSupport,
            .daneInsecureMX, .tlsReports, .mxPatterns, .sessionCache, .fallbackRelay, .relayhost, .transportMaps,
            .serviceOverrides:
            .postfix
        case .nameServers, .dnssecSigned, .dnssecBogus, .dnssecUnsigned, .postfixResolver, .policyFetch: .world
        }
    }
}

extension [Finding] {
    /// The most severe one's; `ok` if nothing was found or all is skipped.
    package var worst: Severity { Swift.max(map(\.severity).max() ?? .ok, .ok) }
}
