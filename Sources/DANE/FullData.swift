/// Association data of matching type Full(0): the certificate or public key itself (RFC 6698 §2.1.3).
///
/// Checks the outer structure down to the public key, as far as OpenSSL needs it to take a record: Postfix counts what
/// OpenSSL refuses as unusable. A key of an algorithm that is not known here counts as well-formed.
enum FullData {
    /// A `SubjectPublicKeyInfo` (RFC 5280 §4.1), and nothing behind it.
    static func isPublicKey(_ octets: [UInt8]) -> Bool {
        var reader = DERReader(octets[...])
        guard let content = reader.read(.sequence), reader.isAtEnd else { return false }
        return isPublicKeyContent(content)
    }

    /// A `Certificate` (RFC 5280 §4.1), and nothing behind it.
    static func isCertificate(_ octets: [UInt8]) -> Bool {
        var reader = DERReader(octets[...])
        guard let content = reader.read(.sequence), reader.isAtEnd else { return false }
        var certificate = DERReader(content)
        guard let body = certificate.read(.sequence), isCertificateBody(body),
            let algorithm = certificate.read(.sequence), isAlgorithm(algorithm),
            let signature = certificate.read(.bitString), isWholeOctets(signature)
        else { return false }
        return certificate.isAtEnd
    }

    /// `TBSCertificate`, up to the public key; the rest has to be elements.
    private static func isCertificateBody(_ content: ArraySlice<UInt8>) -> Bool {
        var body = DERReader(content)
        if body.nextTag == .context(0) {
            guard let version = body.read(.context(0)), isInteger(version) else { return false }
        }
        guard let serial = body.read(.integer), !serial.isEmpty,
            let algorithm = body.read(.sequence), isAlgorithm(algorithm),
            body.read(.sequence) != nil,  // issuer
            let validity = body.read(.sequence), isValidity(validity),
            body.read(.sequence) != nil,  // subject
            let key = body.read(.sequence), isPublicKeyContent(key)
        else { return false }
        while !body.isAtEnd {
            guard body.readAny() != nil else { return false }
        }
        return true
    }

    private static func isInteger(_ content: ArraySlice<UInt8>) -> Bool {
        var reader = DERReader(content)
        guard let number = reader.read(.integer) else { return false }
        return !number.isEmpty && reader.isAtEnd
    }

    /// Two times, of either kind.
    private static func isValidity(_ content: ArraySlice<UInt8>) -> Bool {
        var reader = DERReader(content)
        guard let from = reader.readAny(), let until = reader.readAny() else { return false }
        return !from.isEmpty && !until.isEmpty && reader.isAtEnd
    }

    /// `AlgorithmIdentifier`: an identifier, and parameters or none.
    private static func isAlgorithm(_ content: ArraySlice<UInt8>) -> Bool { identifier(ofAlgorithm: content) != nil }

    private static func identifier(ofAlgorithm content: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var reader = DERReader(content)
        guard let identifier = reader.read(.objectIdentifier), let last = identifier.last, last < 0x80 else { return nil }
        if !reader.isAtEnd, reader.readAny() == nil { return nil }
        return reader.isAtEnd ? identifier : nil
    }

    private static func isPublicKeyContent(_ content: ArraySlice<UInt8>) -> Bool {
        var reader = DERReader(content)
        guard let algorithm = reader.read(.sequence), let identifier = identifier(ofAlgorithm: algorithm),
            let bits = reader.read(.bitString), isWholeOctets(bits), reader.isAtEnd
        else { return false }
        let key = bits.dropFirst()
        switch Array(identifier) {
        case rsa: return isRSAKey(key)
        case ellipticCurve: return isPoint(key)
        case ed25519: return key.count == 32
        case ed448: return key.count == 57
        default: return !key.isEmpty
        }
    }

    /// A bit string of whole octets: its first one counts the unused bits.
    private static func isWholeOctets(_ content: ArraySlice<UInt8>) -> Bool { content.first == 0 && content.count > 1 }

    /// `RSAPublicKey` (RFC 8017 §A.1.1): modulus and exponent.
    private static func isRSAKey(_ octets: ArraySlice<UInt8>) -> Bool {
        var reader = DERReader(octets)
        guard let content = reader.read(.sequence), reader.isAtEnd else { return false }
        var numbers = DERReader(content)
        guard let modulus = numbers.read(.integer), let exponent = numbers.read(.integer) else { return false }
        return !modulus.isEmpty && !exponent.isEmpty && numbers.isAtEnd
    }

    /// A point (RFC 5480 §2.2): uncompressed, both coordinates; or compressed, one of them.
    private static func isPoint(_ octets: ArraySlice<UInt8>) -> Bool {
        switch octets.first {
        case 4: octets.count > 2 && octets.count % 2 == 1
        case 2, 3: octets.count > 1
        default: false
        }
    }

    // Object identifiers in DER: RFC 3279 §2.3.1, RFC 5480 §2.1.1, RFC 8410 §3.
    private static let rsa: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]
    private static let ellipticCurve: [UInt8] = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]
    private static let ed25519: [UInt8] = [0x2B, 0x65, 0x70]
    private static let ed448: [UInt8] = [0x2B, 0x65, 0x71]
}
