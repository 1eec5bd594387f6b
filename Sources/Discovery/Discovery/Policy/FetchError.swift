import TextFormats

/// A fetch has no usable response. RFC 8460 §4.3.2.2 has a result type for the first three cases: sts-webpki-invalid for a
/// certificate, sts-policy-fetch-error for transport and HTTP.
package enum FetchError: Error, Equatable, Sendable {
    case certificate(CertificateError)
    case transport(TransportError)
    case http(HTTPError)
    /// Too many other fetches are running. It has nothing to do with the domain or its policy host.
    case noSlot(SlotShortage)
    /// The calling task was cancelled because the daemon stops.
    case cancelled
}

extension FetchError {
    /// Whether this host failed, not the policy host. The next fetch may succeed at once.
    package var isLocal: Bool {
        switch self {
        case .noSlot: true
        case .transport(let failure): failure.isLocal
        case .certificate, .http, .cancelled: false
        }
    }
}

/// The reason why a fetch had no slot.
package enum SlotShortage: Equatable, Sendable {
    /// No slot was free within this time, so no connection was made.
    case noFreeSlot(within: Duration)
    /// Too many fetches were waiting for a slot, so no connection was made.
    case queueFull
    /// The fetch yielded its slot to another domain before the host answered, and got too little slot time afterwards.
    case interrupted(within: Duration)
}

/// The certificate does not match the policy host or is not valid (RFC 8461 §3.3).
package enum CertificateError: Error, Equatable, Sendable {
    /// No dNSName SAN matches the policy host.
    case nameMismatch
    case expired
    case notYetValid
    case selfSigned
    /// The chain does not lead to a trusted root: unknown CA, missing intermediate.
    case untrusted
    /// Another error of X.509 verification, with OpenSSL's number and text.
    case refused(code: Int, reason: String)
}

/// No address returned an HTTP response.
package enum TransportError: Error, Equatable, Sendable {
    /// Every address refused the connection or was unreachable. The reason is that of the last address.
    case unreachable(String)
    /// The deadline for the whole fetch passed.
    case timedOut(after: Duration)
    /// The TLS handshake failed, but not because of the certificate: no common version or cipher, not TLS at all.
    case handshake(String)
    /// The connection broke, or the peer does not speak HTTP.
    case broken(String)
    /// This host failed: no file descriptor, no route, an unreadable CA file, out of memory.
    case local(String)
}

extension TransportError {
    /// Whether this host failed, not the policy host.
    package var isLocal: Bool {
        if case .local = self { true } else { false }
    }
}

/// An HTTP response cannot contain a policy.
package enum HTTPError: Error, Equatable, Sendable {
    /// Any status but 200. Redirects are not followed (RFC 8461 §3.3).
    case status(Int)
    /// The body is longer than this number of octets. The fetch stopped there.
    case tooLarge(limit: Int)
    /// The body is encoded (gzip, br, …), although the request asked for identity.
    case contentCoding
}

// MARK: Descriptions

extension FetchError: CustomStringConvertible {
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
        case .noFreeSlot(let limit): "local error: no free fetch slot within \(limit.inSeconds)"
        case .queueFull: "local error: fetch queue full"
        case .interrupted(let limit):
            "local error: interrupted for other fetches, no free fetch slot again within \(limit.inSeconds)"
        }
    }
}

extension CertificateError: CustomStringConvertible {
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

extension TransportError: CustomStringConvertible {
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

extension HTTPError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .status(let code) where (300...399).contains(code): "HTTP status \(code) (redirects are not followed)"
        case .status(let code): "HTTP status \(code)"
        case .tooLarge(let limit): "policy longer than \(limit) octets"
        case .contentCoding: "unexpected content coding"
        }
    }
}
