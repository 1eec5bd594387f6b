import Discovery
import MTASTS

/// Everything that `PolicyService` knows, behind its mutex.
struct ServiceState {
    var ledger: PolicyLedger
    var findings: FindingLedger
    var orders = OrderBook()
    var decisions: DecisionSettings
    /// Whether we look for DANE. It can be switched while we run: DNSSEC comes and goes.
    var usesDANE = false
    /// Held until what the operator has ordered is loaded.
    var waitingList: WaitingList
    /// Lookups that were answered by observe mode while a discovery runs on, whose landing tells what would have been said.
    var observed: [DANEDestination: Int] = [:]
    /// Operators who wait for a refresh.
    var demands: [PolicyDomain: [CheckedContinuation<RefreshResult, Never>]] = [:]
    /// The archive is another one, and has not got what memory has yet.
    var owesEverything = false
    /// No discovery is begun any more.
    var hasEnded = false
    /// The last census, or the one under way.
    var counting: Counting?
    /// Of orders, for the archive.
    var changes: [ArchiveChange] = []

    /// What the archive is to do. To be taken after each change.
    mutating func takeChanges() -> [ArchiveChange] {
        guard !changes.isEmpty else { return ledger.takeChanges() }
        defer { changes = [] }
        return changes + ledger.takeChanges()
    }

    // MARK: Answers

    /// Whether Postfix is told nothing, and who says so.
    var observing: Observing { Observing(isConfigured: decisions.observes, order: orders.observe) }

    func grounds(
        _ standing: Standing, _ dane: DANEStanding, on destination: DANEDestination, at now: WallTime
    ) -> Grounds {
        Grounds(
            standing: standing, dane: dane, override: Override(orders.override(of: destination.domain, at: now)),
            isObserving: decisions.observes || orders.observe?.isOn == true, settings: decisions)
    }

    /// A hit: what can be said with nothing to find out.
    mutating func hit(_ destination: DANEDestination, at now: WallTime) -> Grounds? {
        guard !waitingList.isHeld, let standing = ledger.answer(to: destination.domain, at: now) else { return nil }
        guard usesDANE else { return grounds(standing, .off, on: destination, at: now) }
        guard let dane = findings.answer(to: destination, at: now) else { return nil }
        return grounds(standing, dane, on: destination, at: now)
    }

    /// What a flight's end means for those who ordered a refresh.
    enum Demand {
        case none
        /// This is what they hear.
        case met([CheckedContinuation<RefreshResult, Never>], RefreshResult)
        /// It only was in their way: now it is their turn.
        case begins(FlightPlan)
    }

    /// - Parameter result: of a refresh that was ordered; `nil`: another flight has settled.
    mutating func demand(of domain: PolicyDomain, _ result: RefreshResult?, at now: WallTime) -> Demand {
        guard demands[domain] != nil else { return .none }
        if let result { return .met(demands.removeValue(forKey: domain) ?? [], result) }
        return ledger.demanded(domain, at: now).map { .begins($0) } ?? .none
    }

    /// One to be answered outside the mutex.
    struct Answer {
        let waiting: WaitingList.Waiting
        let grounds: Grounds
        /// Lookups that were answered already.
        let observed: Int
    }

    mutating func answers(_ waited: [WaitingList.Waiting], at now: WallTime) -> [Answer] {
        waited.compactMap { one in
            guard let standing = one.standing, let dane = one.dane else { return nil }
            let observed = one.call == nil ? observed.removeValue(forKey: one.destination) : nil
            let grounds = grounds(standing, dane, on: one.destination, at: now)
            return Answer(waiting: one, grounds: grounds, observed: observed ?? 1)
        }
    }
}
