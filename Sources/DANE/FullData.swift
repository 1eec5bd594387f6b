import COpenSSL

/// Association data of matching type Full(0): the certificate or public key itself (RFC 6698 §2.1.3).
///
/// OpenSSL judges it, as it does for Postfix, which counts what OpenSSL refuses as unusable (SSL_dane_tlsa_add(3)).
enum FullData {
    /// Whether the octets are a certificate (RFC 5280 §4.1) with a key that OpenSSL can read, and nothing else.
    static func isCertificate(_ octets: [UInt8]) -> Bool {
        octets.areAll(d2i_X509, free: X509_free) { X509_get0_pubkey($0) != nil }
    }

    /// Whether the octets are a `SubjectPublicKeyInfo` (RFC 5280 §4.1) that OpenSSL can read, and nothing else.
    static func isPublicKey(_ octets: [UInt8]) -> Bool {
        octets.areAll(d2i_PUBKEY, free: EVP_PKEY_free) { _ in true }
    }
}

extension [UInt8] {
    /// Whether a d2i function reads all octets as a value that `isUsable`.
    ///
    /// The thread's queue of OpenSSL errors is as it was.
    fileprivate func areAll(
        _ decode: (
            UnsafeMutablePointer<OpaquePointer?>?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, Int
        ) -> OpaquePointer?, free: (OpaquePointer?) -> Void, isUsable: (OpaquePointer) -> Bool
    ) -> Bool {
        withUnsafeBufferPointer { octets in
            guard let start = octets.baseAddress else { return false }
            ERR_set_mark()
            defer { ERR_pop_to_mark() }
            var next: UnsafePointer<UInt8>? = start
            guard let value = decode(nil, &next, octets.count) else { return false }
            defer { free(value) }
            return next == start + octets.count && isUsable(value)
        }
    }
}
