import Glibc

/// The configuration of a `CurlFetcher`. It does not depend on the environment (see `CurlFetcher.removeEnvironment`).
package struct CurlFetcherConfiguration: Equatable, Sendable {
    /// The limit for one fetch, from the call to the last octet, with all its addresses and its wait for a free slot.
    /// RFC 8461 §3.3 suggests one minute. We use half of it, because a mail may be waiting.
    package var timeout: Duration
    /// The maximum length of a policy in octets (64 KB, RFC 8461 §3.3).
    package var maximumBody: Int
    package var trust: CATrust
    /// The number of slots, that is of fetches at once. Other fetches wait (see `FetchSchedule`). A fetch that waits for a
    /// silent host uses a socket and 67 KB of memory (measured with 512 hosts that accept and stay silent).
    package var maximumInFlight: Int
    /// The number of fetches that wait for a slot. Beyond it, the oldest waiting fetch ends. Ten thousand waiting fetches use
    /// about 50 MB.
    package var maximumWaiting: Int
    /// The number of threads that run libcurl, at least 1. Most of the work of a fetch is its TLS handshake.
    package var threads: Int
    /// The User-Agent field. It is honest and stable, so that bot filters can recognise it (pitfall 27).
    package var userAgent: String
    /// The port to connect to. Policies are on port 443 (RFC 8461 §3.2); test networks use others. The URL and the Host field
    /// never contain a port.
    package var port: UInt16

    package init(
        timeout: Duration = .seconds(30), maximumBody: Int = 65_536, trust: CATrust = .system,
        maximumInFlight: Int = 512, maximumWaiting: Int = 16_384,
        threads: Int = processors, userAgent: String = "sts-bridge", port: UInt16 = 443
    ) {
        self.timeout = timeout
        self.maximumBody = maximumBody
        self.trust = trust
        self.maximumInFlight = maximumInFlight
        self.maximumWaiting = maximumWaiting
        self.threads = threads
        self.userAgent = userAgent
        self.port = port
    }

    /// The processors of this machine, at most 4.
    package static var processors: Int { min(4, max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}

/// The trusted certificate authorities.
package enum CATrust: Equatable, Sendable {
    /// The system's bundle, which resembles that of browsers (RFC 8461 §3.3).
    case system
    /// This PEM file only.
    case file(String)

    /// The path of the bundle in Debian and Alpine.
    private static let systemBundle = "/etc/ssl/certs/ca-certificates.crt"

    var path: String {
        switch self {
        case .system: Self.systemBundle
        case .file(let path): path
        }
    }
}

/// A `CurlFetcher` cannot start. Each text contains advice for the operator.
package enum CurlSetupError: Error, Equatable, Sendable {
    case unreadableCAFile(path: String, reason: String)
    case noCertificates(path: String, reason: String)
    /// The installed libcurl does not support the certificate verification.
    case library(String)
    /// There is no thread or no memory.
    case resources(String)
}

extension CurlSetupError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadableCAFile(let path, let reason):
            "CA file \(path) cannot be read: \(reason). Install the package ca-certificates, or set fetch.ca-file to a "
                + "PEM file that this user may read."
        case .noCertificates(let path, let reason):
            "CA file \(path) contains no usable certificate: \(reason). Set fetch.ca-file to a PEM file of CA certificates."
        case .library(let description): description
        case .resources(let reason): "The policy fetcher cannot start: \(reason)."
        }
    }
}
