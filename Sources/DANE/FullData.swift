import COpenSSL

/// Association data of matching type Full(0): the certificate or public key itself (RFC 6698 §2.1.3).
///
/// OpenSSL judges it, as it does for Postfix, which counts what OpenSSL refuses as unusable (SSL_dane_tlsa_add(3)).
enum FullData {
    /// Whether the octets are a certificate (RFC 5280 §4.1) with a key that OpenSSL can read, and nothing else.
    static func isCertificate(_ octets: [UInt8]) -> Bool {
        let certificate = octets.read { d2i_X509(nil, $0, $1) }
        defer { X509_free(certificate) }
        return certificate != nil && X509_get0_pubkey(certificate) != nil
    }

    /// Whether the octets are a `SubjectPublicKeyInfo` (RFC 5280 §4.1) that OpenSSL can read, and nothing else.
    static func isPublicKey(_ octets: [UInt8]) -> Bool {
        let key = octets.read { d2i_PUBKEY(nil, $0, $1) }
        defer { EVP_PKEY_free(key) }
        return key != nil
    }
}

extension [UInt8] {
    /// What a d2i function makes of all octets; `nil`: they are something else. What it makes is the caller's to free.
    ///
    /// The thread's queue of OpenSSL errors is as it was.
    fileprivate func read(
        _ decode: (UnsafeMutablePointer<UnsafePointer<UInt8>?>, Int) -> OpaquePointer?
    ) -> OpaquePointer? {
        withUnsafeBufferPointer { octets in
            guard let start = octets.baseAddress else { return nil }
            ERR_set_mark()
            defer { ERR_pop_to_mark() }
            var next: UnsafePointer<UInt8>? = start
            return decode(&next, octets.count)
        }
    }
}
