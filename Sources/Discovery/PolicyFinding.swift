import MTASTS

/// How the fetch of a domain's policy ended (RFC 8461 §3.3).
package enum PolicyFinding: Equatable, Sendable {
    case policy(FetchedPolicy)
    case failed(PolicyFailure)
}

/// A policy together with the octets it was parsed from, which are what is kept.
package struct FetchedPolicy: Equatable, Sendable {
    package let policy: STSPolicy
    package let text: [UInt8]

    package init(policy: STSPolicy, text: [UInt8]) {
        self.policy = policy
        self.text = text
    }
}

/// Why a domain that publishes a record has no policy we could fetch. None of them means "no policy": the domain takes
/// part, we only do not know with what.
package enum PolicyFailure: Error, Equatable, Sendable {
    /// The policy host has neither A nor AAAA records.
    case hostWithoutAddress
    /// The policy host's addresses could not be found out.
    case hostLookup(DNSFailure)
    /// All of its addresses are special-purpose ones that are not dialled (see `DialingRule`): the first of them.
    case addressesRefused([IPAddress])
    case fetch(FetchFailure)
    /// The response does not say that it is plain text (RFC 8461 §3.2).
    case mediaType(PolicyMediaType)
    case invalid(PolicyError)
    /// One of the above, met by an earlier process: its category, and its words.
    case earlier(Category, String)
}

extension PolicyFailure {
    /// How many refused addresses a failure names. It is kept with the domain, and a zone may list thousands.
    private static let maximumRefused = 3

    static func addressesRefused(refused addresses: [IPAddress]) -> PolicyFailure {
        .addressesRefused(Array(addresses.prefix(maximumRefused)))
    }

    /// The three result types by which RFC 8460 §4.3.2.2 tells these failures apart.
    package enum Category: String, CaseIterable, Sendable {
        case fetchError = "sts-policy-fetch-error"
        case webPKIInvalid = "sts-webpki-invalid"
        case policyInvalid = "sts-policy-invalid"
    }

    /// `nil`: this host failed, or the daemon stops. That is no result for the domain.
    package var category: Category? {
        switch self {
        case .hostLookup(let failure): failure.isLocal || failure.cause == .cancelled ? nil : .fetchError
        case .fetch(.cancelled): nil
        case .fetch(.certificate): .webPKIInvalid
        case .fetch(let failure): failure.isLocal ? nil : .fetchError
        case .invalid: .policyInvalid
        case .earlier(let category, _): category
        case .hostWithoutAddress, .addressesRefused, .mediaType: .fetchError
        }
    }
}

extension PolicyFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .hostWithoutAddress: "the policy host has no address"
        case .hostLookup(let failure): "\(failure)"
        case .addressesRefused(let addresses):
            "special-purpose address not dialled: \(addresses.map(\.description).joined(separator: ", "))"
        case .fetch(let failure): "\(failure)"
        case .mediaType(.other(let type)): "media type \(type) where text/plain is demanded"
        case .mediaType: "no media type where text/plain is demanded"
        case .invalid(let error): "invalid policy: \(error)"
        case .earlier(_, let words): words
        }
    }
}

/// A finding with what a human wants to know about how it came.
package struct PolicyReport: Sendable {
    package let finding: PolicyFinding
    /// The addresses that DNS returned and the rule permits, in dialling order: of each family at most
    /// `PolicyDiscovery.maximumAddressesPerFamily`.
    package let dialled: [IPAddress]
    /// The further addresses that the rule permits.
    package let notDialled: [IPAddress]
    /// The addresses that DNS returned and the rule refuses.
    package let refused: [IPAddress]
    /// The response, where there was one.
    package let response: PolicyResponse?
    /// How long the address queries took.
    package let lookupDuration: Duration
    /// How long the HTTPS request took, all attempts and waits for a fetch slot together.
    package let fetchDuration: Duration

    package init(
        finding: PolicyFinding, dialled: [IPAddress] = [], notDialled: [IPAddress] = [], refused: [IPAddress] = [],
        response: PolicyResponse? = nil, lookupDuration: Duration = .zero, fetchDuration: Duration = .zero
    ) {
        self.finding = finding
        self.dialled = dialled
        self.notDialled = notDialled
        self.refused = refused
        self.response = response
        self.lookupDuration = lookupDuration
        self.fetchDuration = fetchDuration
    }
}

/// Where a policy host is.
package struct PolicyHostReport: Sendable {
    /// What DNS gave.
    package let found: Result<[IPAddress], PolicyFailure>
    /// The addresses that the rule permits, in dialling order: of each family at most
    /// `PolicyDiscovery.maximumAddressesPerFamily`.
    package let dialled: [IPAddress]
    /// The further addresses that the rule permits.
    package let notDialled: [IPAddress]
    /// The addresses that the rule refuses.
    package let refused: [IPAddress]
    package let duration: Duration
}
