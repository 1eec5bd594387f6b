import COpenSSL

/// Association data of matching type Full(0): the certificate or public key itself (RFC 6698 §2.1.3).
///
/// Postfix ignores data that OpenSSL rejects (SSL_dane_tlsa_add(3)), so OpenSSL parses it here too.
enum FullData {
    /// Whether the octets are exactly one certificate (RFC 5280 §4.1) with a key that OpenSSL can read.
    static func isCertificate(_ octets: [UInt8]) -> Bool {
        octets.decode(using: d2i_X509, free: X509_free) { X509_get0_pubkey($0) != nil }
    }

    /// Whether the octets are exactly one `SubjectPublicKeyInfo` (RFC 5280 §4.1) that OpenSSL can read.
    static func isPublicKey(_ octets: [UInt8]) -> Bool {
        octets.decode(using: d2i_PUBKEY, free: EVP_PKEY_free) { _ in true }
    }
}

extension [UInt8] {
    /// Whether a d2i function decodes all octets, and the value satisfies `isUsable`.
    ///
    /// Restores the thread's queue of OpenSSL errors.
    fileprivate func decode(
        using d2i: (
            UnsafeMutablePointer<OpaquePointer?>?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, Int
        ) -> OpaquePointer?, free: (OpaquePointer?) -> Void, isUsable: (OpaquePointer) -> Bool
    ) -> Bool {
        withUnsafeBufferPointer { octets in
            guard let start = octets.baseAddress else { return false }
            ERR_set_mark()
            defer { ERR_pop_to_mark() }
            var next: UnsafePointer<UInt8>? = start
            guard let value = d2i(nil, &next, octets.count) else { return false }
            defer { free(value) }
            return next == start + octets.count && isUsable(value)
        }
    }
}
