/// The seam to HTTPS: one GET of one policy.
///
/// Real: CurlHTTPS. Twin: `ScriptedFetcher` of the tests.
/// Concurrency: any number of fetches at once, from any task. Cancelling the task cancels its fetch only.
/// Caching: none, of nothing: no HTTP cache, no kept connection, no TLS session (RFC 8461 §3.3).
package protocol PolicyFetcher: Sendable {
    /// Gets `https://HOST/.well-known/mta-sts.txt` from one of `addresses`, tried in their order.
    ///
    /// - Returns: a response of status 200, its body complete and within the size limit.
    /// - Throws: `FetchFailure`.
    func fetch(_ request: PolicyRequest) async throws(FetchFailure) -> PolicyResponse
}

/// Which policy host, where it may be dialled, and how urgent that is.
package struct PolicyRequest: Equatable, Sendable {
    package let host: String
    package let url: String
    /// Checked addresses, never empty; no other address is dialled.
    package let addresses: [IPAddress]
    /// The policy domain, in lower case, A-labels. Fetches for the names of one zone share its slots.
    package let domain: String
    package let purpose: FetchPurpose

    package init(
        host: String, url: String, addresses: [IPAddress], domain: String, purpose: FetchPurpose = .firstContact
    ) {
        self.host = host
        self.url = url
        self.addresses = addresses
        self.domain = domain
        self.purpose = purpose
    }
}

/// Why a policy is fetched. Cached policies and first contacts go before retries when slots are short.
package enum FetchPurpose: Equatable, Sendable {
    /// The domain has a policy that applies; it is fetched again, or another id was published.
    case cachedPolicy
    /// No policy is cached, and no fetch has failed lately.
    case firstContact
    /// No policy is cached, and the last fetch failed.
    case retry
}

/// A complete response with status 200.
package struct PolicyResponse: Equatable, Sendable {
    package let body: [UInt8]
    /// The values of the Content-Type lines as sent, in order; empty without one. Remote text: escape before showing.
    package let contentTypes: [String]
    /// The address that answered.
    package let address: IPAddress
    /// `HTTP/1.1` or `HTTP/2`.
    package let httpVersion: String
    /// What the TLS handshake settled, for a human.
    package let tls: TLSSummary

    package init(body: [UInt8], contentTypes: [String], address: IPAddress, httpVersion: String, tls: TLSSummary) {
        self.body = body
        self.contentTypes = contentTypes
        self.address = address
        self.httpVersion = httpVersion
        self.tls = tls
    }
}

/// The certificate that was accepted. Remote text: escape before showing.
package struct TLSSummary: Equatable, Sendable {
    /// The issuer's distinguished name, `nil` where the library did not tell.
    package let issuer: String?
    /// The end of validity as the certificate's text, `nil` where the library did not tell.
    package let notAfter: String?

    package init(issuer: String?, notAfter: String?) {
        self.issuer = issuer
        self.notAfter = notAfter
    }
}

/// Why there is no response. The first three kinds are the three result types of RFC 8460 §4.3.2.2: certificate →
/// sts-webpki-invalid; transport and HTTP → sts-policy-fetch-error.
package enum FetchFailure: Error, Equatable, Sendable {
    case certificate(CertificateFailure)
    case transport(TransportFailure)
    case http(HTTPFailure)
    /// Too many other fetches: it says nothing about the domain or its policy host.
    case noSlot(SlotShortage)
    /// The asking task was cancelled: the daemon is stopping.
    case cancelled
}

extension FetchFailure {
    /// Whether this host failed, not the policy host. The next fetch may succeed at once.
    package var isLocal: Bool {
        switch self {
        case .noSlot: true
        case .transport(let failure): failure.isLocal
        case .certificate, .http, .cancelled: false
        }
    }
}

/// How a fetch was kept from a slot.
package enum SlotShortage: Equatable, Sendable {
    /// No address was dialled: no slot was free within this time.
    case notDialled(within: Duration)
    /// No address was dialled: too many fetches waited for a slot.
    case queueFull
    /// It had to give its slot to another domain's fetch before the host answered, and got too little of one afterwards.
    case interrupted(within: Duration)
}

/// How many more fetches a fetcher has in flight and waiting than it said before; negative: fewer.
package struct FetchLoadChange: Equatable, Sendable {
    package let inFlight: Int
    package let waiting: Int

    package init(inFlight: Int, waiting: Int) {
        self.inFlight = inFlight
        self.waiting = waiting
    }
}

/// The policy host's certificate does not prove that it is the policy host (RFC 8461 §3.3).
package enum CertificateFailure: Equatable, Sendable {
    /// No dNSName SAN matches the policy host.
    case nameMismatch
    case expired
    case notYetValid
    case selfSigned
    /// The chain does not lead to a trusted root: unknown CA, missing intermediate.
    case untrusted
    /// Anything else that X.509 verification refuses; the number and text are OpenSSL's.
    case refused(code: Int, reason: String)
}

/// No HTTP response was had from any address.
package enum TransportFailure: Error, Equatable, Sendable {
    /// Every address refused or was unreachable; the last one's reason.
    case unreachable(String)
    /// The total deadline passed.
    case timedOut(after: Duration)
    /// The TLS handshake failed, but not over the certificate: no common version or cipher, not TLS at all.
    case handshake(String)
    /// The connection broke or said something that is not HTTP.
    case broken(String)
    /// This host failed: no descriptor, no route to the address, the CA file cannot be read, out of memory.
    case local(String)
}

extension TransportFailure {
    /// Whether this host failed, not the policy host.
    package var isLocal: Bool {
        if case .local = self { true } else { false }
    }
}

/// An HTTP response was had, but none that may carry a policy.
package enum HTTPFailure: Equatable, Sendable {
    /// Anything but 200. Redirects are among them: they are not followed (RFC 8461 §3.3).
    case status(Int)
    /// The body is longer than this many octets; it was not read on.
    case tooLarge(limit: Int)
    /// The body is encoded (gzip, br, …) though nothing but identity was asked for.
    case contentCoding
}

extension FetchFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .certificate(let failure): "certificate: \(failure)"
        case .transport(let failure): "\(failure)"
        case .http(let failure): "\(failure)"
        case .noSlot(let shortage): "\(shortage)"
        case .cancelled: "cancelled"
        }
    }
}

extension SlotShortage: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notDialled(let limit): "local error: not dialled, no free fetch slot within \(limit.inSeconds)"
        case .queueFull: "local error: not dialled, fetch queue full"
        case .interrupted(let limit):
            "local error: interrupted for other fetches, no free fetch slot again within \(limit.inSeconds)"
        }
    }
}

extension CertificateFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .nameMismatch: "no DNS name in it matches the policy host"
        case .expired: "expired"
        case .notYetValid: "not yet valid"
        case .selfSigned: "self-signed"
        case .untrusted: "no chain to a trusted root"
        case .refused(let code, let reason): "\(reason) (\(code))"
        }
    }
}

extension TransportFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreachable(let reason): "cannot connect: \(reason)"
        case .timedOut(let limit): "no complete response within \(limit.inSeconds)"
        case .handshake(let reason): "TLS handshake failed: \(reason)"
        case .broken(let reason): "connection broke: \(reason)"
        case .local(let reason): "local error: \(reason)"
        }
    }
}

extension HTTPFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .status(let code) where (300...399).contains(code): "HTTP status \(code) (redirects are not followed)"
        case .status(let code): "HTTP status \(code)"
        case .tooLarge(let limit): "policy longer than \(limit) octets"
        case .contentCoding: "content coding that was not asked for"
        }
    }
}
