import MTASTS
import TextFormats

/// One MX record (RFC 1035 §3.3.9).
package struct MXRecord: Equatable, Sendable {
    package let preference: UInt16
    package let exchange: Exchange

    package enum Exchange: Equatable, Sendable {
        /// A host name in lower case.
        case host(String)
        /// The root. As the only MX record it means that the domain accepts no mail (RFC 7505 §3).
        case root
        /// An address, or octets that are not a host name, escaped. DANE does not apply, and there are no queries.
        case noHost(String)
    }

    /// Parses record data in wire form: two octets of preference and a name without compression.
    package init(rdata: [UInt8]) throws(MXRecordError) {
        guard rdata.count > 2 else { throw .tooShort }
        preference = UInt16(rdata[0]) << 8 | UInt16(rdata[1])
        exchange = Self.exchange(from: try Self.labels(of: rdata[2...]))
    }

    private static func labels(of wire: ArraySlice<UInt8>) throws(MXRecordError) -> [ArraySlice<UInt8>] {
        guard wire.count <= maximumWireLength else { throw .nameTooLong }
        var labels: [ArraySlice<UInt8>] = []
        var rest = wire
        while let length = rest.popFirst() {
            guard length > 0 else {
                guard rest.isEmpty else { throw .trailingOctets }
                return labels
            }
            guard length <= DomainName.maximumLabelLength else { throw .badLabel }
            guard rest.count >= Int(length) else { throw .tooShort }
            labels.append(rest.prefix(Int(length)))
            rest = rest.dropFirst(Int(length))
        }
        throw .tooShort
    }

    private static func exchange(from labels: [ArraySlice<UInt8>]) -> Exchange {
        if labels.isEmpty { return .root }
        let text = Array(labels.joined(separator: [UInt8(ascii: ".")]))
        // Postfix also connects to names with underscores, which the grammar of host names forbids.
        let plain = text.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: "x") : $0 }
        // A dot inside a label would separate two labels.
        let isPlain = labels.allSatisfy { !$0.contains(UInt8(ascii: ".")) }
        guard isPlain, let name = DomainName(plain), !name.endsInDigits else {
            return .noHost(UntrustedText.escaped(text))
        }
        return .host(String(decoding: text, as: UTF8.self).lowercased())
    }

    /// In octets (RFC 1035 §2.3.4).
    private static let maximumWireLength = 255
}

/// Record data is not an MX record.
package enum MXRecordError: Error, Equatable, Sendable {
    case tooShort
    case trailingOctets
    /// Longer than 63 octets, or a compression pointer.
    case badLabel
    case nameTooLong
}

extension MXRecordError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooShort: "MX data ends early"
        case .trailingOctets: "MX data continues after the name"
        case .badLabel: "MX data contains a label of more than 63 octets"
        case .nameTooLong: "MX data contains a name of more than 255 octets"
        }
    }
}
