/// What a `CurlFetcher` needs to know. Plain values; nothing is read from the environment (see
/// `CurlFetcher.removeEnvironment`).
package struct CurlFetcherConfiguration: Equatable, Sendable {
    /// The time for one fetch with all its addresses and its wait for a free slot, from the call to the last octet.
    /// RFC 8461 §3.3 suggests one minute; half of it, because a mail may be waiting.
    package var timeout: Duration
    /// The longest policy that is taken, in octets (64 KB: RFC 8461 §3.3).
    package var maximumBody: Int
    /// Whom to believe.
    package var trust: CATrust
    /// How many fetches run at once: slots; the others wait (see `FetchSchedule`). One that waits for a silent host takes
    /// a socket and 67 KB of memory (measured with 512 hosts that accept and stay silent).
    package var maximumInFlight: Int
    /// How many fetches wait for a slot; beyond, the one that has waited longest ends. Ten thousand are a flood, and take
    /// some 50 MB.
    package var maximumWaiting: Int
    /// The User-Agent field: honest and stable, so that a site's bot filter can know it (pitfall 27).
    package var userAgent: String
    /// The port that is dialled. Policies live on 443 (RFC 8461 §3.2); a laboratory may listen elsewhere. URL and Host
    /// field stay without a port.
    package var port: UInt16

    package init(
        timeout: Duration = .seconds(30), maximumBody: Int = 65_536, trust: CATrust = .system,
        maximumInFlight: Int = 512, maximumWaiting: Int = 16_384, userAgent: String = "sts-bridge", port: UInt16 = 443
    ) {
        self.timeout = timeout
        self.maximumBody = maximumBody
        self.trust = trust
        self.maximumInFlight = maximumInFlight
        self.maximumWaiting = maximumWaiting
        self.userAgent = userAgent
        self.port = port
    }
}

/// The certificate authorities that may vouch for a policy host.
package enum CATrust: Equatable, Sendable {
    /// The system's bundle: a root set like that of browsers (RFC 8461 §3.3).
    case system
    /// This PEM file and nothing else.
    case file(String)

    /// Debian's and Alpine's name for the bundle.
    private static let systemBundle = "/etc/ssl/certs/ca-certificates.crt"

    var path: String {
        switch self {
        case .system: Self.systemBundle
        case .file(let path): path
        }
    }
}

/// Why a fetcher cannot be had. Each text names the thing and what to do.
package enum CurlSetupError: Error, Equatable, Sendable {
    case unreadableCAFile(path: String, reason: String)
    case noCertificates(path: String, reason: String)
    /// The libcurl at hand cannot do what the certificate judgement needs.
    case library(String)
    /// No thread, no memory.
    case resources(String)
}

extension CurlSetupError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadableCAFile(let path, let reason):
            "CA file \(path) cannot be read: \(reason). Install the package ca-certificates, or set fetch.ca-file to a "
                + "PEM file that this user may read."
        case .noCertificates(let path, let reason):
            "CA file \(path) holds no usable certificate: \(reason). Set fetch.ca-file to a PEM file of CA certificates."
        case .library(let what): what
        case .resources(let what): "The policy fetcher cannot start: \(what)."
        }
    }
}
