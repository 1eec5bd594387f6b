import MTASTS
import PolicyService
import Synchronization

/// The archive's twin: keeps policies for as long as the test lives, and fails when told to.
package final class MemoryArchive: PolicyArchive {
    private struct State {
        var policies: [PolicyDomain: ArchivedPolicy] = [:]
        var failure: ArchiveFailure?
        var gate: Gate?
    }

    private let state: Mutex<State>

    package init(_ policies: [ArchivedPolicy] = []) {
        var kept = State()
        for policy in policies { kept.policies[policy.domain] = policy }
        state = Mutex(kept)
    }

    package func fail(with failure: ArchiveFailure?) {
        state.withLock { $0.failure = failure }
    }

    /// From now on commits wait for the gate.
    package func hold() -> Gate {
        let gate = Gate()
        state.withLock { $0.gate = gate }
        return gate
    }

    package subscript(domain: PolicyDomain) -> ArchivedPolicy? {
        state.withLock { $0.policies[domain] }
    }

    package func load() async throws(ArchiveFailure) -> [ArchivedPolicy] {
        let (policies, failure) = state.withLock { (Array($0.policies.values), $0.failure) }
        if let failure { throw failure }
        return policies
    }

    package func commit(_ change: ArchiveChange) async throws(ArchiveFailure) {
        let (gate, failure) = state.withLock { ($0.gate, $0.failure) }
        await gate?.pass()
        if let failure { throw failure }
        state.withLock { state in
            switch change {
            case .keep(let policy): state.policies[policy.domain] = policy
            case .remove(let domain): state.policies[domain] = nil
            }
        }
    }
}
