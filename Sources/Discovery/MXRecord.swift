import MTASTS

/// One MX record (RFC 1035 §3.3.9).
package struct MXRecord: Equatable, Sendable {
    package let preference: UInt16
    package let exchange: Exchange

    package enum Exchange: Equatable, Sendable {
        /// A host that may be asked for, lower-case.
        case host(String)
        /// The root, which says "no mail here" where it stands alone (RFC 7505 §3).
        case root
        /// An address, or octets that no host name has: DANE does not apply to it, and no question is asked. Made
        /// fit for showing.
        case noHost(String)
    }

    /// From record data in wire form: two octets of preference and a name without compression.
    ///
    /// - Throws: `MalformedMX` when it is something else.
    package init(rdata: [UInt8]) throws(MalformedMX) {
        guard rdata.count > 2 else { throw .tooShort }
        preference = UInt16(rdata[0]) << 8 | UInt16(rdata[1])
        exchange = Self.exchange(try Self.labels(rdata[2...]))
    }

    private static func labels(_ wire: ArraySlice<UInt8>) throws(MalformedMX) -> [ArraySlice<UInt8>] {
        guard wire.count <= longestWireName else { throw .nameTooLong }
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

    private static func exchange(_ labels: [ArraySlice<UInt8>]) -> Exchange {
        if labels.isEmpty { return .root }
        let text = Array(labels.joined(separator: [UInt8(ascii: ".")]))
        // Against the grammar of host names Postfix connects to names with underscores too, so they count.
        let plain = text.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: "x") : $0 }
        // A dot inside a label would be read as two labels.
        let isPlain = labels.allSatisfy { !$0.contains(UInt8(ascii: ".")) }
        guard isPlain, let name = DomainName(plain), !name.endsInDigits else {
            return .noHost(RemoteText.escaped(text))
        }
        return .host(String(decoding: text, as: UTF8.self).lowercased())
    }

    /// RFC 1035 §2.3.4.
    private static let longestWireName = 255
}

/// Why record data is no MX record.
package enum MalformedMX: Error, Equatable, Sendable {
    case tooShort
    case trailingOctets
    /// Longer than 63 octets, or a compression pointer.
    case badLabel
    case nameTooLong
}

extension MalformedMX: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooShort: "MX data that ends early"
        case .trailingOctets: "MX data that goes on behind its name"
        case .badLabel: "MX data with a label of more than 63 octets"
        case .nameTooLong: "MX data with a name of more than 255 octets"
        }
    }
}
