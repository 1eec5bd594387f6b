/// One TLSA record (RFC 6698 §2.1) with any values, known or unknown.
package struct TLSARecord: Hashable, Sendable {
    package let usage: UInt8
    package let selector: UInt8
    package let matchingType: UInt8
    package let associationData: [UInt8]

    /// Parses record data in wire form: an octet each of usage, selector and matching type; the rest is the data.
    package init(rdata: [UInt8]) throws(TLSAError) {
        guard rdata.count >= Self.headerLength else { throw .tooShort(octets: rdata.count) }
        usage = rdata[0]
        selector = rdata[1]
        matchingType = rdata[2]
        associationData = Array(rdata[Self.headerLength...])
    }

    private static let headerLength = 3
}

/// Record data is not a TLSA record.
package enum TLSAError: Error, Hashable, Sendable {
    /// It ends before the matching type.
    case tooShort(octets: Int)
}

extension TLSAError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooShort(let octets): "\(octets) octets; a TLSA record has at least 3"
        }
    }
}

// MARK: Usability

extension TLSARecord {
    /// The reason why a record cannot authenticate a mail server. It is not an error: the record is ignored.
    package enum Defect: Hashable, Sendable {
        /// Unknown, or PKIX-TA(0) or PKIX-EE(1), which we treat as unusable, as RFC 7672 §3.1.3 allows.
        case usage(UInt8)
        case selector(UInt8)
        case matchingType(UInt8)
        /// A digest of a wrong length, or no data.
        case dataLength(Int)
        /// Full data is not a certificate (selector 0) or not a public key (selector 1).
        case notParsable(selector: UInt8)
    }

    /// The reason why the record is unusable for SMTP (RFC 6698 §4.1, RFC 7672 §3.1); `nil` if it is usable.
    package var defect: Defect? {
        // DANE-TA(2), DANE-EE(3): RFC 7672 §3.1.1, §3.1.2.
        guard usage == 2 || usage == 3 else { return .usage(usage) }
        // Cert(0), SPKI(1).
        guard selector <= 1 else { return .selector(selector) }
        let length = associationData.count
        switch matchingType {
        case 0: return length > 0 ? fullDataDefect : .dataLength(length)
        case 1: return length == Self.sha256Length ? nil : .dataLength(length)
        case 2: return length == Self.sha512Length ? nil : .dataLength(length)
        default: return .matchingType(matchingType)
        }
    }

    /// OpenSSL, and so Postfix, rejects full data that it cannot parse.
    private var fullDataDefect: Defect? {
        let isParsable =
            selector == 0 ? FullData.isCertificate(associationData) : FullData.isPublicKey(associationData)
        return isParsable ? nil : .notParsable(selector: selector)
    }

    private static let sha256Length = 32
    private static let sha512Length = 64
}

extension TLSARecord.Defect: CustomStringConvertible {
    package var description: String {
        switch self {
        case .usage(let value): "certificate usage \(value) is unusable for SMTP (RFC 7672 section 3.1.3)"
        case .selector(let value): "unknown selector \(value)"
        case .matchingType(let value): "unknown matching type \(value)"
        case .dataLength(let octets): "\(octets) octets of association data do not fit the matching type"
        case .notParsable(selector: 0): "the full data (matching type 0) is not a certificate"
        case .notParsable: "the full data (matching type 0) is not a public key"
        }
    }
}
