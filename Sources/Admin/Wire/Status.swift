import PolicyService

/// How the daemon is.
package struct Status: WireValue, Equatable {
    package let version: String
    package let process: Int
    package let now: Timestamp
    package let startedAt: Timestamp
    package let setup: SetupFacts
    package let observation: Observation
    package let cache: Cache
    package let background: Background
    package let orders: OrderCounts
    package let soonestExpiry: Notable?
    package let soonestFailingExpiry: Notable?
    package let oldestFetch: Notable?
    package let failing: [EntryLine]

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Status", "How the daemon is.",
            [
                .always("version", .text("Of sts-bridge.")),
                .always("process", .whole("Its process id.")),
                .always("now", .time("The daemon's clock.")),
                .always("startedAt", .time("When it began.")),
                .always("setup", .object(SetupFacts.schema)),
                .always("observation", .object(Observation.schema)),
                .always("cache", .object(Cache.schema)),
                .always("background", .object(Background.schema)),
                .always("orders", .object(OrderCounts.schema)),
                .sometimes("soonestExpiry", .object(Notable.schema)),
                .sometimes("soonestFailingExpiry", .object(Notable.schema)),
                .sometimes("oldestFetch", .object(Notable.schema)),
                .always(
                    "failing",
                    .list(.object(EntryLine.schema), "Domains that fail, those that expire first; at most 10.")),
            ])
    }
}

/// What does not change while the daemon runs, or only with its surroundings.
package struct SetupFacts: WireValue, Equatable {
    package let listeners: [String]
    package let upstreams: [String]
    package let dialect: String
    package let dane: String
    /// `nil` from a daemon of an older version.
    package let securityLevel: String?
    /// `nil` from a daemon of an older version.
    package let passedSockets: [String]?
    package let notes: [String]

    package init(
        listeners: [String], upstreams: [String], dialect: String, dane: String, securityLevel: String? = nil,
        passedSockets: [String]? = nil, notes: [String] = []
    ) {
        self.listeners = listeners
        self.upstreams = upstreams
        self.dialect = dialect
        self.dane = dane
        self.securityLevel = securityLevel
        self.passedSockets = passedSockets
        self.notes = notes
    }

    /// The value of `dane` where nothing speaks against it.
    package static let on = "on"

    func with(dane: String) -> SetupFacts {
        SetupFacts(
            listeners: listeners, upstreams: upstreams, dialect: dialect, dane: dane, securityLevel: securityLevel,
            passedSockets: passedSockets, notes: notes)
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "SetupFacts", "Where it listens, whom it asks, how it talks.",
            [
                .always("listeners", .list(.text("socketmap 127.0.0.1:8461"), "Where Postfix may ask.")),
                .always("upstreams", .list(.text("An address, and a port that is not 53."), "The DNS servers.")),
                .always("dialect", .text("The words for clients that choose none.")),
                .always("dane", .text("on, or off and why.")),
                .sometimes("securityLevel", .text("The site's smtp_tls_security_level, as it counts here.")),
                .sometimes(
                    "passedSockets",
                    .list(.text("socketmap unix:/path"), "Where the sockets of the service manager are.")),
                .always("notes", .list(.text("One line."), "What does not fit together.")),
            ])
    }
}

/// How much is remembered, and whether it is kept.
package struct Cache: WireValue, Equatable {
    package let domains: Int
    package let states: [String: Int]
    package let failing: Int
    package let findings: Int
    package let loaded: Bool
    package let unwritten: Int
    package let archiveFailure: String?

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Cache", "How much is remembered, and whether it is kept.",
            [
                .always("domains", .whole("In memory.")),
                .always("states", .map(.whole("Domains."), "How many domains are in which state.")),
                .always("failing", .whole("Domains whose last TXT query or fetch failed.")),
                .always("findings", .whole("Destinations with a DANE finding.")),
                .always("loaded", .flag("Memory has all that the file has.")),
                .always("unwritten", .whole("Changes that wait to be written into the file.")),
                .sometimes("archiveFailure", .text("Why the file cannot be used now.")),
            ])
    }
}

/// What goes on without a lookup.
package struct Background: WireValue, Equatable {
    package let flights: Int
    package let refreshed: Int
    package let refreshesDue: Int

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Background", "What is under way.",
            [
                .always("flights", .whole("Discoveries and refreshes under way.")),
                .always("refreshed", .whole("Policies that are fetched again in the background.")),
                .always("refreshesDue", .whole("Of those, how many wait for their turn.")),
            ])
    }
}

package struct OrderCounts: WireValue, Equatable {
    package let exempted: Int
    package let pinned: Int

    package static var schema: ObjectSchema {
        ObjectSchema(
            "OrderCounts", "How many domains the operator has spoken of.",
            [
                .always("exempted", .whole("Exempted domains.")),
                .always("pinned", .whole("Pinned domains.")),
            ])
    }
}

/// A policy that stands out.
package struct Notable: WireValue, Equatable {
    package let domain: String
    package let at: Timestamp

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Notable", "A policy that stands out, and the moment by which it does.",
            [
                .always("domain", .text("Its domain.")),
                .always("at", .time("The moment.")),
            ])
    }
}

extension Notable {
    init(_ notable: Census.Notable) {
        domain = notable.domain.name.text
        at = Timestamp(notable.time)
    }
}

extension Cache {
    init(_ census: Census) {
        domains = census.domains
        states = Dictionary(
            EntryState.allCases.map { ($0.rawValue, census.counts[$0] ?? 0) }, uniquingKeysWith: { $0 + $1 })
        failing = census.failing
        findings = census.findings
        loaded = census.isLoaded
        unwritten = census.unwritten
        archiveFailure = census.archiveFailure.map { Shown.text($0) }
    }
}
