import Discovery
import MTASTS

/// What is known of a domain when a lookup is answered.
package enum PolicyStatus: Equatable, Sendable {
    /// A policy that has not expired, of any mode.
    case policy(CachedPolicy)
    /// The domain has no MTA-STS record, or its record is unusable (RFC 8461 §3.1).
    case noPolicy(RecordAbsence)
    /// The discovery failed, and no policy is cached.
    case unknown(UnknownReason)
}

/// Why it is unknown whether a domain has a policy.
package enum UnknownReason: Equatable, Sendable {
    /// The TXT query failed.
    case record(DNSError)
    /// The domain publishes a record, but its policy cannot be fetched.
    case policy(PolicyFetchError)
    /// An error of this host, which proves nothing about the domain: no descriptor, no route, no free fetch slot.
    case local(LocalError)
    /// The discovery is not finished, and the lookup cannot wait longer.
    case unfinished
}

/// An error of this host.
package enum LocalError: Equatable, Sendable {
    /// The TXT query.
    case record(DNSError)
    /// The fetch of the policy, or the query for its host's addresses.
    case policy(PolicyFetchError)
}

extension LocalError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .record(let failure): "\(failure)"
        case .policy(let failure): "\(failure)"
        }
    }
}

extension UnknownReason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .record(let failure): "\(failure)"
        case .policy(let failure): "\(failure)"
        case .local(let failure): "\(failure)"
        case .unfinished: "discovery not finished in time"
        }
    }
}
