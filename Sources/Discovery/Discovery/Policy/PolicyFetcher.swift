/// The interface to HTTPS: one GET request for one policy.
///
/// CurlHTTPS implements it; tests use the fake `ScriptedFetcher`.
///
/// Concurrency: Any number of fetches at once, from any task. Cancelling a task cancels its own fetch only.
/// Limits: No HTTP cache, no connection reuse, no TLS session reuse (RFC 8461 §3.3).
package protocol PolicyFetcher: Sendable {
    /// Gets `https://HOST/.well-known/mta-sts.txt` from one of `addresses`, which it tries in order.
    ///
    /// - Returns: A complete response of status 200 within the size limit.
    func fetch(_ request: PolicyRequest) async throws(FetchError) -> PolicyResponse
}

/// A policy host, its addresses, and the purpose of the request.
package struct PolicyRequest: Equatable, Sendable {
    package let host: String
    package let url: String
    /// Filtered addresses, never empty. The fetcher connects to no other address.
    package let addresses: [IPAddress]
    /// The policy domain in lower case as A-labels. Fetches for the names of one zone share the zone's slots.
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

/// The purpose of a fetch. If fetch slots are short, cached policies and first contacts go before retries.
package enum FetchPurpose: Equatable, Sendable {
    /// To renew or replace a cached policy that applies.
    case cachedPolicy
    /// No policy is cached, and no fetch has failed lately.
    case firstContact
    /// No policy is cached, and the last fetch failed.
    case retry
}

/// A complete response of status 200.
package struct PolicyResponse: Equatable, Sendable {
    package let body: [UInt8]
    /// The values of the Content-Type lines in order; empty without such a line. Untrusted: escape before output.
    package let contentTypes: [String]
    /// The address that answered.
    package let address: IPAddress
    /// `HTTP/1.1` or `HTTP/2`.
    package let httpVersion: String
    /// For people.
    package let tls: TLSSummary

    package init(body: [UInt8], contentTypes: [String], address: IPAddress, httpVersion: String, tls: TLSSummary) {
        self.body = body
        self.contentTypes = contentTypes
        self.address = address
        self.httpVersion = httpVersion
        self.tls = tls
    }
}

/// The accepted certificate. Untrusted: escape before output.
package struct TLSSummary: Equatable, Sendable {
    /// The issuer's distinguished name; `nil` if the library does not report it.
    package let issuer: String?
    /// The end of validity, as the certificate's text; `nil` if the library does not report it.
    package let notAfter: String?

    package init(issuer: String?, notAfter: String?) {
        self.issuer = issuer
        self.notAfter = notAfter
    }
}

/// The change in the number of running and waiting fetches since the last report.
package struct FetchLoadChange: Equatable, Sendable {
    package let inFlight: Int
    package let waiting: Int

    package init(inFlight: Int, waiting: Int) {
        self.inFlight = inFlight
        self.waiting = waiting
    }
}
