/// How a step of a discovery ended, for whoever counts: called on the discovery's task, before its caller gets the report.
package typealias OnDiscoveryEnding = @Sendable (DiscoveryEnding) -> Void

package enum DiscoveryEnding: Sendable {
    case record(RecordReport)
    case policy(PolicyReport)
    case dane(DANEReport)
}
