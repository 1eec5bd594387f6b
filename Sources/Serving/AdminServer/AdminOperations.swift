import AdminAPI
import Discovery
import MTASTS
import PolicyCaching
import PolicyRuntime
import TextFormats

/// The operations of the API, without HTTP.
///
/// Concurrency: any task, several at once.
/// Errors: `AdminRequestError`, with advice for the operator.
struct AdminOperations: Sendable {
    let policies: PolicyService
    let dependencies: AdminDependencies
    let startedAt: WallTime
    let process: Int

    /// Failing domains in the status at most.
    private static let maximumFailing = 10

    // MARK: Reading

    func status() async -> StatusResponse {
        // Fresh numbers: the status also has values read now, and often follows a change.
        let statistics = await policies.statistics(atMost: .zero)
        let failing = await policies.entries(
            EntryQuery(isFailing: true, order: .expiry, limit: Self.maximumFailing))
        return StatusResponse(
            version: dependencies.version, process: process, now: Timestamp(dependencies.now()),
            startedAt: Timestamp(startedAt), runtime: await runtime,
            observeMode: ObserveModeResponse(policies.observeMode), cache: CacheSummary(statistics),
            background: BackgroundSummary(statistics), overrides: OverrideCounts(statistics),
            soonestExpiry: statistics.soonestExpiry.map(DomainTime.init),
            soonestFailingExpiry: statistics.soonestFailingExpiry.map(DomainTime.init),
            oldestFetch: statistics.oldestFetch.map(DomainTime.init), failing: failing.entries.map(EntrySummary.init))
    }

    private var runtime: RuntimeSummary {
        get async {
            let runtime = await dependencies.runtime()
            return runtime.dane == .on && !policies.isUsingDANE ? runtime.with(dane: .suspended) : runtime
        }
    }

    func list(_ query: EntryQuery) async -> EntryListResponse {
        let page = await policies.entries(query)
        return EntryListResponse(entries: page.entries.map(EntrySummary.init), next: page.next.map { "\($0)" })
    }

    func entry(_ text: String) async throws(AdminRequestError) -> EntryResponse {
        let domain = try domain(text)
        do {
            guard let report = try await policies.entry(of: domain) else { throw notCached(domain) }
            return EntryResponse(report)
        } catch let error as AdminRequestError {
            throw error
        } catch {
            throw AdminRequestError(
                .serviceUnavailable,
                error: "\(domain) is not in memory, and the cache file cannot be read: \(Sanitized.text("\(error)"))",
                hint: "see the daemon's log")
        }
    }

    func explain(_ key: String, isLive: Bool) async throws(AdminRequestError) -> ExplainResponse {
        let destination = try destination(key)
        let explanation = await policies.explain(destination)
        let response = ExplainResponse(explanation, key: key, dialect: await dependencies.runtime().dialect) {
            dependencies.replies($0, destination.domain)
        }
        guard isLive else { return response }
        return response.compared(with: await dependencies.live(key, destination))
    }

    // MARK: Changing

    func refresh(_ text: String) async throws(AdminRequestError) -> RefreshResponse {
        let domain = try domain(text)
        return RefreshResponse(await policies.refresh(domain), of: domain, now: dependencies.now())
    }

    func forget(_ text: String) async throws(AdminRequestError) -> ForgetResponse {
        let domain = try domain(text)
        let (wasKnown, change) = await policies.forget(domain)
        guard wasKnown else { throw notCached(domain) }
        let (isSaved, warning) = change.saving
        return ForgetResponse(domain: domain.name.text, saved: isSaved, warning: warning)
    }

    func observe(_ isOn: Bool, peer: Peer) async throws(AdminRequestError) -> ObserveModeResponse {
        guard isOn || !policies.observeMode.isConfigured else {
            throw AdminRequestError(
                .conflict, error: "policy.observe is true in the configuration",
                hint: "set it to false there, then reload")
        }
        let change = await policies.setObserveMode(isOn: isOn, author: peer.author)
        return ObserveModeResponse(policies.observeMode, change: change)
    }

    func reload() async throws(AdminRequestError) -> ReloadResponse {
        do {
            return try await dependencies.reload()
        } catch {
            throw AdminRequestError(
                .conflict, error: error.reason, hint: "the previous configuration is still in force")
        }
    }

    // MARK: Names

    func domain(_ text: String) throws(AdminRequestError) -> PolicyDomain { try destination(text).domain }

    private func destination(_ key: String) throws(AdminRequestError) -> Destination {
        guard let destination = dependencies.destination(key) else {
            throw AdminRequestError(
                .badRequest, error: "\"\(UntrustedText.escaped(key))\" is not a domain that can have a policy",
                hint: "give a domain of at least two labels; no address, no dot in front")
        }
        return destination
    }

    private func notCached(_ domain: PolicyDomain) -> AdminRequestError {
        AdminRequestError(
            .notFound, error: "\(domain) is not in the cache", hint: "Postfix has not looked it up, or it was forgotten"
        )
    }
}
