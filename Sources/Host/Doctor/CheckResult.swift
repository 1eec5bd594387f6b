/// The result of one check of this host, for the operator.
///
/// Text from main.cf, DNS and other programs is escaped.
package struct CheckResult: Equatable, Sendable {
    package let check: Check
    package let severity: Severity
    /// The consequence for mail, in one or two sentences.
    package let meaning: String
    /// All lines to change; empty if nothing is to change, or if no line could fix it.
    package let fixes: [Fix]
    /// The services of master.cf that the result applies to; empty: all, or none.
    package var services: [String] = []

    package init(_ check: Check, severity: Severity, meaning: String, fixes: Fix?...) {
        self.check = check
        self.severity = severity
        self.meaning = meaning
        self.fixes = fixes.compactMap { $0 }
    }
}

/// Ordered from harmless to severe.
package enum Severity: String, Sendable, CaseIterable, Comparable {
    /// Does not apply to this host; `meaning` gives the reason.
    case skip
    case ok
    /// Could not be checked.
    case unknown
    /// Mail is sent, but less securely or less reliably than possible.
    case warn
    /// Policies are not applied, or mail is deferred.
    case fail

    package static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }

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

/// The exact line to change, and the file it belongs to.
package struct Fix: Equatable, Sendable {
    package enum Place: String, Sendable {
        case mainCF = "main.cf"
        case masterCF = "master.cf"
        case configuration = "config.yaml"
        case shell
    }

    package let place: Place
    package let line: String

    package init(_ place: Place, line: String) {
        self.place = place
        self.line = line
    }
}

/// All checks. Scripts use the names, so they do not change.
package enum Check: String, Sendable, CaseIterable {
    // The bridge.
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
    // The network.
    case nameServers = "name-servers"
    case dnssecSigned = "dnssec-signed"
    case dnssecBogus = "dnssec-bogus"
    case dnssecUnsigned = "dnssec-unsigned"
    case postfixResolver = "postfix-resolver"
    case policyFetch = "policy-fetch"
}

extension Check {
    /// The subject, used as a heading.
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

extension [CheckResult] {
    /// The highest severity; `ok` if there are no results or all are skipped.
    package var worst: Severity { Swift.max(map(\.severity).max() ?? .ok, .ok) }
}
