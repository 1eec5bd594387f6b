import Discovery
import MTASTS
import PolicyService

/// What can be asked and ordered, apart from how that is sent.
///
/// Concurrency: any task, at once.
/// Throws: `Refusal`, with what to do.
struct AdminAPI: Sendable {
    let policies: PolicyService
    let seams: AdminSeams
    let startedAt: WallTime
    let process: Int

    /// Domains that `status` names.
    private static let namedFailing = 10

    // MARK: Seeing

    func status() async -> Status {
        // Not an old one: it stands beside what is read now, and often right after an order.
        let census = await policies.census(atMost: .zero)
        let failing = await policies.entries(
            EntryQuery(isFailing: true, order: .expiry, limit: Self.namedFailing))
        return Status(
            version: seams.version, process: process, now: Timestamp(seams.now()), startedAt: Timestamp(startedAt),
            setup: await setup, observation: Observation(policies.observing), cache: Cache(census),
            background: Background(
                flights: census.flights, refreshed: census.refreshed, refreshesDue: census.refreshesDue),
            orders: OrderCounts(exempted: census.exempted, pinned: census.pinned),
            soonestExpiry: census.soonestExpiry.map(Notable.init),
            soonestFailingExpiry: census.soonestFailingExpiry.map(Notable.init),
            oldestFetch: census.oldestFetch.map(Notable.init), failing: failing.entries.map(EntryLine.init))
    }

    private var setup: SetupFacts {
        get async {
            let setup = await seams.setup()
            guard setup.dane == SetupFacts.on, !policies.isUsingDANE else { return setup }
            return setup.with(dane: "off while the DNS servers strip DNSSEC")
        }
    }

    func list(_ query: EntryQuery) async -> EntryList {
        let page = await policies.entries(query)
        return EntryList(entries: page.entries.map(EntryLine.init), next: page.next.map { "\($0)" })
    }

    func entry(_ text: String) async throws(Refusal) -> Entry {
        let domain = try domain(text)
        do {
            guard let report = try await policies.entry(of: domain) else { throw unknown(domain) }
            return Entry(report)
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            throw Refusal(
                .serviceUnavailable,
                "\(domain) is not in memory, and the file cannot be read: \(Shown.text("\(error)"))",
                hint: "the daemon's log says what to do")
        }
    }

    func explain(_ key: String, live isLive: Bool) async throws(Refusal) -> Explained {
        let destination = try destination(key)
        let explanation = await policies.explain(destination)
        let explained = Explained(key: key, explanation, dialect: await seams.setup().dialect) {
            seams.replies($0, destination.domain)
        }
        guard isLive else { return explained }
        return explained.compared(with: await seams.live(key, destination))
    }

    // MARK: Steering

    func refresh(_ text: String) async throws(Refusal) -> Refreshed {
        let domain = try domain(text)
        return Refreshed(await policies.refresh(domain), of: domain, now: seams.now())
    }

    func forget(_ text: String) async throws(Refusal) -> Forgotten {
        let domain = try domain(text)
        let (wasKnown, outcome) = await policies.forget(domain)
        guard wasKnown else { throw unknown(domain) }
        return Forgotten(domain: domain.name.text, kept: outcome.receipt.kept, warning: outcome.receipt.warning)
    }

    func observe(_ isOn: Bool, by peer: Peer) async throws(Refusal) -> Observation {
        guard isOn || !policies.observing.isConfigured else {
            throw Refusal(
                .conflict, "policy.observe is true in the configuration", hint: "set it to false there, then reload")
        }
        let outcome = await policies.observe(isOn, author: peer.author)
        return Observation(policies.observing, outcome)
    }

    func reload() async throws(Refusal) -> Reloaded {
        do {
            return try await seams.reload()
        } catch {
            throw Refusal(.conflict, error.reason, hint: "the configuration that was in force still is")
        }
    }

    // MARK: Names

    func domain(_ text: String) throws(Refusal) -> PolicyDomain { try destination(text).domain }

    private func destination(_ key: String) throws(Refusal) -> DANEDestination {
        guard let destination = seams.destination(key) else {
            throw Refusal(
                .badRequest, "\"\(RemoteText.escaped(key))\" names no domain that could have a policy",
                hint: "give a name of two labels or more, no address, with no dot in front")
        }
        return destination
    }

    private func unknown(_ domain: PolicyDomain) -> Refusal {
        Refusal(.notFound, "\(domain) is not in the cache", hint: "nobody has asked for it, or it was forgotten")
    }
}
