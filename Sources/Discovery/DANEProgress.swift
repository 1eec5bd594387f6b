/// One step of a DANE discovery that is under way, so that a lookup that cannot wait for its end knows what is known by then.
///
/// RFC 7672 §2.1.2: an answer that is missing is a failed lookup, never "no DANE".
package enum DANEProgress: Equatable, Sendable {
    /// The hosts are known. In the finding each of them counts as failed until its own answers arrive.
    case hosts(DANEFinding)
    /// What is known of one host, at its place among the finding's hosts.
    case host(HostFinding, at: Int)
}

extension DANEFinding {
    /// The finding of a discovery that has no answer yet: the MX query counts as failed.
    package static func unfinished(_ destination: DANEDestination) -> DANEFinding {
        let name = destination.domain.name.text
        guard destination.isHost else {
            return DANEFinding(
                destination: destination, mx: .failed(.unfinished(DNSQuestion(name: name, type: .mx))), timeToLive: 0)
        }
        return DANEFinding(
            destination: destination, mx: .notAsked, hosts: [.unfinished(name: name, preference: nil)], timeToLive: 0)
    }

    package func updated(with progress: DANEProgress) -> DANEFinding {
        switch progress {
        case .hosts(let finding):
            return finding
        case .host(let host, let place):
            var hosts = hosts
            if hosts.indices.contains(place) { hosts[place] = host }
            return DANEFinding(destination: destination, mx: mx, hosts: hosts, leftOut: leftOut, timeToLive: timeToLive)
        }
    }
}

extension HostFinding {
    /// A host of which nothing is known yet.
    static func unfinished(name: String, preference: UInt16?) -> HostFinding {
        HostFinding(
            name: name, preference: preference,
            ground: .lookupFailed(.unfinished(DNSQuestion(name: name, type: .a))), isSigned: false)
    }
}

extension DNSFailure {
    static func unfinished(_ question: DNSQuestion) -> DNSFailure {
        DNSFailure(question: question, cause: .unfinished, servers: [])
    }
}
