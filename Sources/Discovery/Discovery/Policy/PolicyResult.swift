import MTASTS

/// The result of a policy fetch (RFC 8461 §3.3).
package enum PolicyResult: Equatable, Sendable {
    case policy(STSPolicy)
    case failed(PolicyFetchError)
}

/// A domain publishes a record, but its policy could not be fetched. It never means "no policy": the domain uses MTA-STS,
/// and only the content of its policy is unknown.
package enum PolicyFetchError: Error, Equatable, Sendable {
    /// The policy host has neither A nor AAAA records.
    case hostWithoutAddress
    /// The address queries of the policy host failed.
    case hostLookup(DNSError)
    /// `AddressFilter` refuses all addresses. The payload is the first of them.
    case addressesRefused([IPAddress])
    case fetch(FetchError)
    /// The response is not plain text (RFC 8461 §3.2).
    case mediaType(PolicyMediaType)
    case invalid(PolicyError)
    /// An error of an earlier process: its category and its description.
    case earlier(Category, String)
}

extension PolicyFetchError {
    /// The number of refused addresses in an error. The error is cached with the domain, and a zone may list thousands.
    private static let maximumRefusedAddresses = 3

    static func addressesRefused(firstOf addresses: [IPAddress]) -> PolicyFetchError {
        .addressesRefused(Array(addresses.prefix(maximumRefusedAddresses)))
    }

    /// The three result types of RFC 8460 §4.3.2.2 for these errors.
    package enum Category: String, CaseIterable, Sendable {
        case fetchError = "sts-policy-fetch-error"
        case webPKIInvalid = "sts-webpki-invalid"
        case policyInvalid = "sts-policy-invalid"
    }

    /// `nil` if this host failed or the daemon stops. That is no result for the domain.
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

extension PolicyFetchError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .hostWithoutAddress: "the policy host has no address"
        case .hostLookup(let failure): "\(failure)"
        case .addressesRefused(let addresses):
            "special-purpose address refused: \(addresses.map(\.description).joined(separator: ", "))"
        case .fetch(let failure): "\(failure)"
        case .mediaType(.other(let type)): "media type \(type) instead of text/plain"
        case .mediaType: "no media type instead of text/plain"
        case .invalid(let error): "invalid policy: \(error)"
        case .earlier(_, let description): description
        }
    }
}

/// A result with details for people.
package struct PolicyReport: Sendable {
    package let result: PolicyResult
    /// The permitted addresses that the fetch tries, in order: at most `PolicyDiscovery.maximumAddressesPerFamily` of each
    /// family.
    package let addresses: [IPAddress]
    /// The other permitted addresses.
    package let notTried: [IPAddress]
    /// The addresses that the filter refuses.
    package let refused: [IPAddress]
    /// `nil` if there was no complete response.
    package let response: PolicyResponse?
    /// The duration of the address queries.
    package let lookupDuration: Duration
    /// The duration of the HTTPS request, including all attempts and the wait for a fetch slot.
    package let fetchDuration: Duration

    package init(
        result: PolicyResult, addresses: [IPAddress] = [], notTried: [IPAddress] = [], refused: [IPAddress] = [],
        response: PolicyResponse? = nil, lookupDuration: Duration = .zero, fetchDuration: Duration = .zero
    ) {
        self.result = result
        self.addresses = addresses
        self.notTried = notTried
        self.refused = refused
        self.response = response
        self.lookupDuration = lookupDuration
        self.fetchDuration = fetchDuration
    }
}

/// The addresses of a policy host.
package struct PolicyHostReport: Sendable {
    /// The result of the address queries.
    package let found: Result<[IPAddress], PolicyFetchError>
    /// The permitted addresses that a fetch tries, in order: at most `PolicyDiscovery.maximumAddressesPerFamily` of each
    /// family.
    package let addresses: [IPAddress]
    /// The other permitted addresses.
    package let notTried: [IPAddress]
    /// The addresses that the filter refuses.
    package let refused: [IPAddress]
    package let duration: Duration
}
