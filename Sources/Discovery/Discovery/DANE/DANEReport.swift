/// A result with all its queries, for people. The cache contains the result only.
package struct DANEReport: Sendable {
    package let result: DANEResult
    /// The MX query, if there was one.
    package let mx: DNSQueryTrace?
    /// The queries of each host of the result, in the same order.
    package let hosts: [[DNSQueryTrace]]
    package let duration: Duration

    package init(result: DANEResult, mx: DNSQueryTrace?, hosts: [[DNSQueryTrace]], duration: Duration = .zero) {
        self.result = result
        self.mx = mx
        self.hosts = hosts
        self.duration = duration
    }

    /// All queries.
    package var queries: [DNSQueryTrace] { (mx.map { [$0] } ?? []) + hosts.joined() }

    /// The report of a destination without a port: there are no queries, and DANE does not apply.
    static func notApplicable(to destination: Destination) -> DANEReport {
        DANEReport(
            result: DANEResult(destination: destination, mx: .notNeeded, timeToLive: 0), mx: nil, hosts: [])
    }
}
