import Discovery
import MTASTS

/// What the operator orders.
extension PolicyService {
    /// The orders that are in force, by domain.
    package func overrides() -> [DomainOverride] { [] }

    /// In force from now on, in place of an earlier one of the same domain.
    package func order(_ override: DomainOverride) async throws(OrderRefusal) -> OrderOutcome { .inMemoryOnly("") }

    /// In force no more from now on.
    ///
    /// - Parameter author: who removes it, for the log.
    package func removeOverride(
        of domain: PolicyDomain, author: String
    ) async -> (removed: DomainOverride?, outcome: OrderOutcome) { (nil, .kept) }

    /// Whether Postfix is told nothing, and who says so.
    package var observing: Observing { Observing(isConfigured: false, order: nil) }
    package var isObserving: Bool { observing.isOn }

    /// Switches observe mode. Where the configuration has it on it stays on, which `observing` tells.
    package func observe(_ on: Bool, author: String) async -> OrderOutcome { .kept }

    /// From now on decisions are made by these settings: the configuration was read again.
    package func decide(by settings: DecisionSettings) {}

    /// Asks for the TXT record and fetches the policy now, whatever TTL, id and back-off say. Joins such a refresh that is
    /// under way, and waits for another discovery of the domain first. Lookups meanwhile are answered as ever.
    package func refresh(_ domain: PolicyDomain) async -> RefreshResult {
        RefreshResult(outcome: .unfinished, record: nil, standing: .unknown(.unfinished))
    }

    /// Forgets the domain's policy, here and in the archive, and its DANE findings. The next lookup begins anew; what a
    /// discovery that is under way brings is news and is kept. Orders stay.
    ///
    /// - Returns: whether there was anything to forget; `.inMemoryOnly`: after a restart it may be back.
    package func forget(_ domain: PolicyDomain) async -> (wasKnown: Bool, outcome: OrderOutcome) { (false, .kept) }
}
