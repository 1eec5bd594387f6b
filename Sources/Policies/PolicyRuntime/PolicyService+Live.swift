import Discovery
import MTASTS
import PolicyCaching
import TextFormats

/// The result of a discovery that used neither cache nor store.
package struct LiveResult: Sendable {
    package let destination: Destination
    package let record: RecordReport
    /// `nil` if the record does not lead to a fetch.
    package let policy: PolicyReport?
    /// `nil` if DANE is never looked up.
    package let dane: DANEReport?
    /// The status of the domain if this were its first discovery.
    package let status: PolicyStatus
    /// What Postfix would get after this discovery, without overrides and observe mode.
    package let decision: Decision
}

extension PolicyService {
    /// Runs a discovery and decides. Reads and changes neither the cache nor the store.
    ///
    /// `sts-bridge query` calls it without a daemon, and the daemon calls it for `sts-bridge explain --live`.
    package static func discoverLive(_ destination: Destination, settings: ServiceSettings) async -> LiveResult {
        async let dane = settings.dane?.report(on: destination)
        let record = await settings.discovery.record(of: destination.domain)
        var policy: PolicyReport?
        let status: PolicyStatus
        switch record.result {
        case .absent(let absence): status = .noPolicy(absence)
        case .failed(let error): status = .unknown(.record(error))
        case .published(let id):
            let report = await settings.discovery.policy(of: destination.domain)
            policy = report
            status =
                switch report.result {
                case .failed(let error): .unknown(.policy(error))
                case .policy(let policy): .policy(CachedPolicy(policy, id: id, fetchedAt: WallTime(milliseconds: 0)))
                }
        }
        let report = await dane
        let daneStatus = report.map {
            DANEStatus.known($0.result.coverage(wasSigned: false), reason: $0.result.reason)
        }
        return LiveResult(
            destination: destination, record: record, policy: policy, dane: report, status: status,
            decision: Decision(status, dane: daneStatus ?? .off, settings: settings.decisions))
    }
}
