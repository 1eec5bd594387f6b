import COpenSSL
import Discovery
import LibCurl

/// Makes OpenSSL verify the certificate of the policy host during the handshake.
///
/// libcurl's own name check (`CURLOPT_SSL_VERIFYHOST` = 2) accepts the subject's CN if a certificate has no SAN of the right
/// type. RFC 9525 appendix A abolished that, and RFC 8461 §3.3 never allowed it. So libcurl's check is off (0), and OpenSSL's
/// check is on:
///
/// - `X509_VERIFY_PARAM_set1_host` makes the name part of the chain verification. A mismatch ends the handshake with a
///   bad_certificate alert (RFC 9525 §6.6), before the request.
/// - `X509_CHECK_FLAG_NEVER_CHECK_SUBJECT` excludes the CN, even without any dNSName.
/// - `X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS` excludes `mta-*.example.com`. Without flags, OpenSSL already allows one `*`
///   only, as the complete left-most label (RFC 9525 §6.3).
/// - `set1_host`, unlike `set1_ip`, compares dNSName SANs only. IP, URI and SRV identifiers do not count.
///
/// The parameters belong to the SSL_CTX of one connection, not to the X509_STORE, which libcurl shares among connections.
/// VERIFYPEER stays on, and libcurl sets it up before it calls the callback. `CurlTransfer` rejects a response if the
/// callback did not run on its connection.
///
/// OpenSSL stops at the first error: an unknown or incomplete chain (also self-signed) hides a wrong name, and a wrong
/// name hides an expired certificate. There is no revocation check (STS-3.3-e: off).
///
/// Protocol: RFC 8461 §3.3 (dNSName only, whole-label wildcards, chain to a trusted root, validity), RFC 9525 §6.
enum CertificateVerification {
    /// Requires that the certificate names `host`. Returns `false` if OpenSSL failed; then the handshake must not continue.
    static func require(_ host: String, in context: OpaquePointer) -> Bool {
        guard let parameters = SSL_CTX_get0_param(context) else { return false }
        X509_VERIFY_PARAM_set_hostflags(
            parameters, UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        // For OpenSSL, length 0 means "up to NUL", and an empty host means "no check".
        guard !host.isEmpty else { return false }
        return host.withCString { X509_VERIFY_PARAM_set1_host(parameters, $0, host.utf8.count) } == 1
    }

    /// Converts an X509_V_ERR_ number.
    static func error(verifyResult: Int) -> CertificateError {
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
        guard let text = X509_verify_cert_error_string(verifyResult) else { return "verification failed" }
        return CurlErrorMessage.printable(String(cString: text))
    }
}
