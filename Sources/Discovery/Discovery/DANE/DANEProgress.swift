/// An intermediate result of a running DANE discovery, for a lookup that cannot wait for its end.
///
/// A missing answer counts as a failed lookup, never as "no DANE" (RFC 7672 §2.1.2).
package enum DANEProgress: Equatable, Sendable {
    /// The hosts are known. Each of them counts as failed until its answers arrive.
    case hosts(DANEResult)
    /// The answers of one host, and its index among the hosts of the result.
    case host(MXHostResult, index: Int)
}

extension DANEResult {
    /// The result of a discovery without any answer: the MX query counts as failed.
    package static func unfinished(_ destination: Destination) -> DANEResult {
        let name = destination.domain.name.text
        guard destination.isHost else {
            return DANEResult(
                destination: destination, mx: .failed(.unfinished(DNSQuestion(name: name, type: .mx))), timeToLive: 0)
        }
        return DANEResult(
            destination: destination, mx: .notNeeded, hosts: [.unfinished(name: name, preference: nil)], timeToLive: 0)
    }

    package func updated(with progress: DANEProgress) -> DANEResult {
        switch progress {
        case .hosts(let result):
            return result
        case .host(let host, let index):
            var hosts = hosts
            if hosts.indices.contains(index) { hosts[index] = host }
            return DANEResult(
                destination: destination, mx: mx, hosts: hosts, skippedHosts: skippedHosts, timeToLive: timeToLive)
        }
    }
}

extension MXHostResult {
    /// A host without any answer.
    static func unfinished(name: String, preference: UInt16?) -> MXHostResult {
        MXHostResult(
            name: name, preference: preference,
            reason: .lookupFailed(.unfinished(DNSQuestion(name: name, type: .a))), isSigned: false)
    }
}

extension DNSError {
    static func unfinished(_ question: DNSQuestion) -> DNSError {
        DNSError(question: question, cause: .unfinished, servers: [])
    }
}
