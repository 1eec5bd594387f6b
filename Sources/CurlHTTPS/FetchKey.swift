import Discovery

/// Something that fetches share, and of which a stranger has only so many: few attempts go to each at once.
enum FetchKey: Hashable, Sendable {
    case domain(RegistrableDomain)
    case address(IPAddress)
    /// The first octets of an address.
    case network([UInt8])

    /// The keys of an attempt at `address`, in the order in which it takes them.
    ///
    /// The domain comes first, so that names of one zone that wait for their addresses keep nobody else waiting. A network
    /// is a /24 of IPv4 or a /48 of IPv6, the size that one site gets (RFC 6177 §2): each /64 in it is limited as well.
    static func keys(of domain: RegistrableDomain, at address: IPAddress) -> [FetchKey] {
        [.domain(domain), .address(address), .network(Array(address.octets.prefix(address.isIPv6 ? 6 : 3)))]
    }
}

/// How many attempts there may be at once.
struct FetchLimits: Equatable, Sendable {
    /// All together.
    let slots: Int
    /// To a network, for a registrable domain, and to an address whose last attempt was answered.
    let share: Int
    /// To an address that was not seen to answer.
    let perAddress: Int
    /// Of retries, and of those whose turn was over once: what is left is always for first contacts and cached policies.
    let retries: Int
    /// Fetches that wait for a slot.
    let waiting: Int

    init(slots: Int, waiting: Int) {
        self.slots = max(1, slots)
        share = max(1, self.slots / 16)
        perAddress = min(4, share)
        retries = max(1, self.slots / 2)
        self.waiting = max(0, waiting)
    }
}

/// How urgent an attempt is.
enum FetchClass: Int, CaseIterable, Sendable {
    /// The domain's cached policy is refreshed.
    case cachedPolicy
    /// The domain was never fetched from.
    case firstContact
    /// The domain's last fetch failed, or this fetch gave up its slot once.
    case retry

    init(_ purpose: FetchPurpose) {
        switch purpose {
        case .cachedPolicy: self = .cachedPolicy
        case .firstContact: self = .firstContact
        case .retry: self = .retry
        }
    }

    /// Of nine slots that become free while all classes wait: 4, 4 and 1.
    var weight: Int { self == .retry ? 1 : 4 }

    /// How long an attempt keeps its slot while others wait for it. A host that answers takes less than the first second;
    /// one that takes longer gets more time later.
    var turn: Duration { self == .retry ? .seconds(4) : .seconds(1) }
}
