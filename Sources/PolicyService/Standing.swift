import Discovery
import MTASTS

/// What we know of a domain, at the moment of an answer.
package enum Standing: Equatable, Sendable {
    /// A policy that is alive, of any mode.
    case policy(HeldPolicy)
    /// The domain has no MTA-STS: DNS said so, or its record is unusable (RFC 8461 §3.1).
    case noPolicy(RecordAbsence)
    /// Could not find out, and nothing is held.
    case unknown(Ignorance)
}

/// Why we do not know.
package enum Ignorance: Equatable, Sendable {
    /// The TXT query failed.
    case record(DNSFailure)
    /// The domain publishes a record, its policy cannot be had.
    case policy(PolicyFailure)
    /// This host failed, which says nothing about the domain: no descriptor, no route, no free fetch slot.
    case local(LocalFailure)
    /// The discovery goes on; the one who asked could not wait for it.
    case unfinished
}

/// What this host failed at.
package enum LocalFailure: Equatable, Sendable {
    /// The TXT query.
    case record(DNSFailure)
    /// The fetch of the policy, or the query for its host's addresses.
    case policy(PolicyFailure)
}

extension LocalFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .record(let failure): "\(failure)"
        case .policy(let failure): "\(failure)"
        }
    }
}

extension Ignorance: CustomStringConvertible {
    package var description: String {
        switch self {
        case .record(let failure): "\(failure)"
        case .policy(let failure): "\(failure)"
        case .local(let failure): "\(failure)"
        case .unfinished: "discovery not finished in time"
        }
    }
}
