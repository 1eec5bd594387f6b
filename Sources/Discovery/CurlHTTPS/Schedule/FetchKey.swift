import Discovery

/// A resource that fetches share. Each key has few attempts at once, because an attacker has a limited number of each.
enum FetchKey: Hashable, Sendable {
    case domain(RegistrableDomain)
    case address(IPAddress)
    /// The first octets of an address.
    case network([UInt8])

    /// Returns the keys of an attempt at `address`, in the order in which the attempt acquires them.
    ///
    /// The domain is first, so that names of one zone that wait for their addresses do not delay others. A network is a /24 of
    /// IPv4 or a /48 of IPv6, the size that one site gets (RFC 6177 §2). This also limits each /64 in it.
    static func keys(of domain: RegistrableDomain, at address: IPAddress) -> [FetchKey] {
        [.domain(domain), .address(address), .network(Array(address.octets.prefix(address.isIPv6 ? 6 : 3)))]
    }
}

/// The limits on attempts at once and on waiting fetches.
struct FetchLimits: Equatable, Sendable {
    /// All attempts.
    let slots: Int
    /// Attempts for each network, each registrable domain, and each address that answered its last attempt.
    let share: Int
    /// Attempts for each other address.
    let perAddress: Int
    /// Retries. The other slots are always available for first contacts and cached policies.
    let retries: Int
    /// Waiting fetches.
    let waiting: Int

    init(slots: Int, waiting: Int) {
        self.slots = max(1, slots)
        share = max(1, self.slots / 16)
        perAddress = min(4, share)
        retries = max(1, self.slots / 2)
        self.waiting = max(0, waiting)
    }
}

/// The urgency of an attempt.
enum FetchClass: Int, CaseIterable, Sendable {
    /// To refresh a cached policy.
    case cachedPolicy
    /// The domain had no fetch before.
    case firstContact
    /// The last fetch of the domain failed, or this fetch has yielded its slot.
    case retry

    init(_ purpose: FetchPurpose) {
        switch purpose {
        case .cachedPolicy: self = .cachedPolicy
        case .firstContact: self = .firstContact
        case .retry: self = .retry
        }
    }

    /// While all classes wait, they get 4, 4 and 1 of nine free slots.
    var weight: Int { self == .retry ? 1 : 4 }

    /// The time for which an attempt has its slot while others wait. Most hosts answer within one second; a slower host gets
    /// more time later.
    var turn: Duration { self == .retry ? .seconds(4) : .seconds(1) }
}
