import MTASTS

/// Policies that were parsed or cached lately, so that equal texts share memory and are parsed once.
///
/// The customers of a mail provider publish the same text. A policy that is in no entry any more stays here until another one
/// takes its place.
/// Limits: 4,096 policies of at most 1,024 octets.
package struct SharedPolicies: Sendable {
    private static let capacity = 4_096
    private static let maximumOctets = 1_024

    /// A text has one place, which depends on its hash. The last one with this hash is there.
    private var policies: [STSPolicy?] = []

    package init() {}

    /// The policy with these octets: one that is known, or else a new one.
    ///
    /// - Throws: `PolicyError` if the octets are not a policy.
    package mutating func policy(_ octets: [UInt8]) throws(PolicyError) -> STSPolicy {
        guard octets.count <= Self.maximumOctets else { return try STSPolicy(octets) }
        let place = Self.place(of: octets)
        if let known = known(octets, at: place) { return known }
        let new = try STSPolicy(octets)
        policies[place] = new
        return new
    }

    /// A known policy with the same octets as this one, or else this one.
    mutating func sharing(_ policy: STSPolicy) -> STSPolicy {
        guard policy.octets.count <= Self.maximumOctets else { return policy }
        let place = Self.place(of: policy.octets)
        if let known = known(policy.octets, at: place) { return known }
        policies[place] = policy
        return policy
    }

    private mutating func known(_ octets: [UInt8], at place: Int) -> STSPolicy? {
        if policies.isEmpty { policies = Array(repeating: nil, count: Self.capacity) }
        guard let policy = policies[place], policy.octets == octets else { return nil }
        return policy
    }

    /// By FNV-1a. Texts that are chosen to have the same hash only share no memory.
    private static func place(of octets: [UInt8]) -> Int {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for octet in octets { hash = (hash ^ UInt64(octet)) &* 0x0000_0100_0000_01b3 }
        return Int(truncatingIfNeeded: hash ^ hash >> 32) & (capacity - 1)
    }
}
