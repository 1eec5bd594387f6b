import CCurl
import COpenSSL
import Discovery

/// Whether a certificate proves that its holder is the policy host: asked of OpenSSL, within the handshake.
///
/// Obeys: RFC 8461 §3.3 (dNSName only, whole-label wildcards, chain to a trusted root, validity), RFC 9525 §6.
///
/// Why not libcurl's own name check (`CURLOPT_SSL_VERIFYHOST` = 2): where a certificate has no SAN of the sought type
/// it falls back to the subject's CN, which RFC 9525 app. A has abolished and RFC 8461 §3.3 never allowed. So that check
/// is off (0), and OpenSSL's is on instead:
///
/// - `X509_VERIFY_PARAM_set1_host` makes the name part of chain verification. A mismatch ends the handshake with a
///   bad_certificate alert (RFC 9525 §6.6), before a request is sent, and cannot be lost on the way.
/// - `X509_CHECK_FLAG_NEVER_CHECK_SUBJECT`: no CN, even where there is no dNSName.
/// - `X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS`: `mta-*.example.com` matches nothing. That `*` stands for exactly one label,
///   the left-most, and occurs once, is OpenSSL's rule without flags (RFC 9525 §6.3).
/// - `set1_host`, unlike `set1_ip`, compares with dNSName SANs only: no IP, URI or SRV identifier counts.
///
/// The parameters are those of this connection's SSL_CTX, not of the X509_STORE, which libcurl shares among connections.
/// VERIFYPEER stays on; libcurl never calls the callback before it has set that up, and `CurlTransfer` refuses any
/// response over a connection on which the callback did not run.
///
/// OpenSSL stops at the first fault: an unknown or incomplete chain (also self-signed) hides a wrong name, and a wrong
/// name hides an expired certificate. No revocation check (STS-3.3-e: off).
enum CertificateJudgement {
    /// Demands `host` of the peer. False when OpenSSL did not take it: then the handshake must not go on.
    static func demand(_ host: String, of context: OpaquePointer) -> Bool {
        guard let parameters = SSL_CTX_get0_param(context) else { return false }
        X509_VERIFY_PARAM_set_hostflags(
            parameters, UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        // OpenSSL takes length 0 for "up to NUL", and an empty host for "no check".
        guard !host.isEmpty else { return false }
        return host.withCString { X509_VERIFY_PARAM_set1_host(parameters, $0, host.utf8.count) } == 1
    }

    /// An X509_V_ERR_ number in the seam's words.
    static func failure(verifyResult: Int) -> CertificateFailure {
        switch Int32(truncatingIfNeeded: verifyResult) {
        case X509_V_ERR_HOSTNAME_MISMATCH: .nameMismatch
        case X509_V_ERR_CERT_HAS_EXPIRED: .expired
        case X509_V_ERR_CERT_NOT_YET_VALID: .notYetValid
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: .selfSigned
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            .untrusted
        default:
            .refused(code: verifyResult, reason: reason(verifyResult))
        }
    }

    private static func reason(_ verifyResult: Int) -> String {
        guard let text = X509_verify_cert_error_string(verifyResult) else { return "refused" }
        return CurlText.printable(String(cString: text))
    }

    /// Issuer and end of validity of the leaf, the first of the peer's chain, from libcurl's `Name:value` lines.
    static func summary(of easy: UnsafeMutableRawPointer) -> TLSSummary {
        var chain: UnsafeMutablePointer<curl_certinfo>?
        guard sts_curl_get_certificates(easy, &chain) == CURLE_OK, let chain, chain.pointee.num_of_certs > 0 else {
            return TLSSummary(issuer: nil, notAfter: nil)
        }
        var issuer: String?
        var notAfter: String?
        var next = chain.pointee.certinfo?[0]
        while let line = next {
            if let data = line.pointee.data {
                let text = String(cString: data)
                if issuer == nil { issuer = value(of: "Issuer:", in: text) }
                if notAfter == nil { notAfter = value(of: "Expire date:", in: text) }
            }
            next = line.pointee.next
        }
        return TLSSummary(issuer: issuer, notAfter: notAfter)
    }

    private static func value(of name: String, in line: String) -> String? {
        line.hasPrefix(name) ? String(line.dropFirst(name.count)) : nil
    }
}
