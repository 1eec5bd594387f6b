/// The state of the daemon.
package struct StatusResponse: APIModel, Equatable {
    package let version: String
    package let process: Int
    package let now: Timestamp
    package let startedAt: Timestamp
    package let runtime: RuntimeSummary
    package let observeMode: ObserveModeResponse
    package let cache: CacheSummary
    package let background: BackgroundSummary
    package let overrides: OverrideCounts
    package let soonestExpiry: DomainTime?
    package let soonestFailingExpiry: DomainTime?
    package let oldestFetch: DomainTime?
    package let failing: [EntrySummary]

    package init(
        version: String, process: Int, now: Timestamp, startedAt: Timestamp, runtime: RuntimeSummary,
        observeMode: ObserveModeResponse, cache: CacheSummary, background: BackgroundSummary,
        overrides: OverrideCounts, soonestExpiry: DomainTime?, soonestFailingExpiry: DomainTime?,
        oldestFetch: DomainTime?, failing: [EntrySummary]
    ) {
        self.version = version
        self.process = process
        self.now = now
        self.startedAt = startedAt
        self.runtime = runtime
        self.observeMode = observeMode
        self.cache = cache
        self.background = background
        self.overrides = overrides
        self.soonestExpiry = soonestExpiry
        self.soonestFailingExpiry = soonestFailingExpiry
        self.oldestFetch = oldestFetch
        self.failing = failing
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "StatusResponse", summary: "The state of the daemon.",
            properties: [
                .required("version", as: .text("Of sts-bridge.")),
                .required("process", as: .integer("Its process id.")),
                .required("now", as: .time("The daemon's clock.")),
                .required("startedAt", as: .time("When it started.")),
                .required("runtime", as: .object(RuntimeSummary.schema)),
                .required("observeMode", as: .object(ObserveModeResponse.schema)),
                .required("cache", as: .object(CacheSummary.schema)),
                .required("background", as: .object(BackgroundSummary.schema)),
                .required("overrides", as: .object(OverrideCounts.schema)),
                .optional("soonestExpiry", as: .object(DomainTime.schema)),
                .optional("soonestFailingExpiry", as: .object(DomainTime.schema)),
                .optional("oldestFetch", as: .object(DomainTime.schema)),
                .required(
                    "failing",
                    as: .list(.object(EntrySummary.schema), "Failing domains, soonest expiry first; at most 10.")),
            ])
    }
}

/// The settings in force: constant while the daemon runs, except after a reload.
package struct RuntimeSummary: APIModel, Equatable {
    package enum DANE: String, APIWord {
        case on, off
        /// Switched on, but the DNS servers strip DNSSEC now.
        case suspended
    }

    package let listeners: [String]
    package let upstreams: [String]
    package let dialect: String
    package let dane: DANE
    /// `nil` from a daemon of an older version.
    package let securityLevel: String?
    /// `nil` from a daemon of an older version.
    package let passedSockets: [String]?
    package let notes: [String]

    package init(
        listeners: [String], upstreams: [String], dialect: String, dane: DANE, securityLevel: String? = nil,
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

    package func with(dane: DANE) -> RuntimeSummary {
        RuntimeSummary(
            listeners: listeners, upstreams: upstreams, dialect: dialect, dane: dane, securityLevel: securityLevel,
            passedSockets: passedSockets, notes: notes)
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "RuntimeSummary", summary: "The listeners, the DNS servers, and the settings that decide the replies.",
            properties: [
                .required("listeners", as: .list(.text("socketmap 127.0.0.1:8461"), "Where Postfix may connect.")),
                .required("upstreams", as: .list(.text("An address, and a port other than 53."), "The DNS servers.")),
                .required("dialect", as: .text("The reply syntax for clients that choose none.")),
                .required("dane", as: .word(DANE.self, summary: "suspended: the DNS servers strip DNSSEC now.")),
                .optional("securityLevel", as: .text("The site's effective smtp_tls_security_level.")),
                .optional(
                    "passedSockets",
                    as: .list(.text("socketmap unix:/path"), "The addresses of the sockets that systemd passed.")),
                .required("notes", as: .list(.text("One line."), "Settings that contradict each other.")),
            ])
    }
}

extension RuntimeSummary.DANE: CustomStringConvertible {
    package var description: String {
        switch self {
        case .on, .off: rawValue
        case .suspended: "off while the DNS servers strip DNSSEC"
        }
    }
}

/// The contents of the cache, and whether the cache file has them.
package struct CacheSummary: APIModel, Equatable {
    package let domains: Int
    package let states: [DomainState: Int]
    package let failing: Int
    package let daneResults: Int
    package let loaded: Bool
    package let pendingWrites: Int
    package let storeFailure: String?

    package init(
        domains: Int, states: [DomainState: Int], failing: Int, daneResults: Int, loaded: Bool, pendingWrites: Int,
        storeFailure: String?
    ) {
        self.domains = domains
        self.states = states
        self.failing = failing
        self.daneResults = daneResults
        self.loaded = loaded
        self.pendingWrites = pendingWrites
        self.storeFailure = storeFailure
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "CacheSummary", summary: "The contents of the cache, and whether the cache file has them.",
            properties: [
                .required("domains", as: .integer("In memory.")),
                .required("states", as: .map(.integer("Domains."), "How many domains are in each state.")),
                .required("failing", as: .integer("Domains whose last TXT query or fetch failed.")),
                .required("daneResults", as: .integer("Destinations with a DANE result.")),
                .required("loaded", as: .flag("Memory has everything from the cache file.")),
                .required("pendingWrites", as: .integer("Changes that the cache file does not have yet.")),
                .optional("storeFailure", as: .text("Why the cache file cannot be used now.")),
            ])
    }
}

/// The work that goes on without a lookup.
package struct BackgroundSummary: APIModel, Equatable {
    package let discoveries: Int
    package let scheduledRefreshes: Int
    package let refreshesDue: Int

    package init(discoveries: Int, scheduledRefreshes: Int, refreshesDue: Int) {
        self.discoveries = discoveries
        self.scheduledRefreshes = scheduledRefreshes
        self.refreshesDue = refreshesDue
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "BackgroundSummary", summary: "The work that goes on without a lookup.",
            properties: [
                .required("discoveries", as: .integer("Discoveries and refreshes in progress.")),
                .required("scheduledRefreshes", as: .integer("Policies that the background refresh fetches again.")),
                .required("refreshesDue", as: .integer("Of those, how many are due now.")),
            ])
    }
}

/// How many domains the operator has exempted or pinned.
package struct OverrideCounts: APIModel, Equatable {
    package let exempted: Int
    package let pinned: Int

    package init(exempted: Int, pinned: Int) {
        self.exempted = exempted
        self.pinned = pinned
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "OverrideCounts", summary: "How many domains the operator has exempted or pinned.",
            properties: [
                .required("exempted", as: .integer("Exempted domains.")),
                .required("pinned", as: .integer("Pinned domains.")),
            ])
    }
}

/// A domain and the time that makes it worth a look.
package struct DomainTime: APIModel, Equatable {
    package let domain: String
    package let at: Timestamp

    package init(domain: String, at: Timestamp) {
        self.domain = domain
        self.at = at
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "DomainTime", summary: "A domain and the time that makes it worth a look.",
            properties: [
                .required("domain", as: .text("The domain.")),
                .required("at", as: .time("The time.")),
            ])
    }
}
