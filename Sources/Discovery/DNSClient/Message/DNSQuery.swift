import Discovery

/// A DNS query as octets. The transport sets the identifier for each socket.
///
/// Protocol: RFC 1035 §4.1, EDNS (RFC 6891).
package struct DNSQuery: Sendable {
    /// The message. The first two octets are the identifier; the transport replaces them.
    package let octets: [UInt8]
    /// The length of header and question section in octets.
    let questionEnd: Int

    /// The largest UDP response in octets, which avoids fragments (RFC 9715). Larger answers come over TCP.
    static let payloadSize: UInt16 = 1_232
    static let headerSize = 12

    /// A recursive query for one name and type.
    ///
    /// - Parameter usesEDNS: `false` for a server without EDNS (RFC 6891 §7).
    package init(name: WireName, type: UInt16, usesEDNS: Bool = true) {
        let (sizeHigh, sizeLow) = (UInt8(Self.payloadSize >> 8), UInt8(Self.payloadSize & 0xFF))
        // RD, one question, the OPT record as the only additional record.
        var octets: [UInt8] = [0, 0, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, usesEDNS ? 1 : 0]
        octets += name.octets
        octets += [UInt8(type >> 8), UInt8(type & 0xFF), 0, 1]
        questionEnd = octets.count
        if usesEDNS { octets += [0, 0, 41, sizeHigh, sizeLow, 0, 0, 0, 0, 0, 0] }
        self.octets = octets
    }

    /// A query of libunbound. Returns `nil` unless it is a standard query with exactly one complete question.
    init?(forwarding octets: [UInt8]) {
        guard octets.count >= Self.headerSize, octets[2] & 0xF8 == 0, octets[4] == 0, octets[5] == 1,
            let end = Self.endOfQuestion(octets)
        else { return nil }
        self.octets = octets
        questionEnd = end
    }

    /// The message with this identifier.
    func octets(id: UInt16) -> [UInt8] {
        var octets = octets
        octets[0] = UInt8(id >> 8)
        octets[1] = UInt8(id & 0xFF)
        return octets
    }

    /// The name in the question; `nil` if it is malformed.
    var name: WireName? { WireName(uncompressed: octets[Self.headerSize..<(questionEnd - 4)]) }

    var type: UInt16 { UInt16(octets[questionEnd - 4]) << 8 | UInt16(octets[questionEnd - 3]) }

    /// Whether the type is DS or DNSKEY, which validation of a zone and everything below it needs.
    var isAboutKeys: Bool { type == RecordType.ds.rawValue || type == RecordType.dnskey.rawValue }

    /// A response without records to this query.
    func response(code: UInt8) -> [UInt8] {
        var response = Array(octets[..<questionEnd])
        // QR, opcode and RD of the query; RA and the code.
        response[2] = 0x80 | (octets[2] & 0x79)
        response[3] = 0x80 | (octets[3] & 0x10) | code
        response.replaceSubrange(6..<Self.headerSize, with: [0, 0, 0, 0, 0, 0])
        return response
    }

    /// The position after name, type and class of the first question; `nil` if it is incomplete or compressed.
    static func endOfQuestion(_ octets: [UInt8]) -> Int? {
        var position = headerSize
        while position < octets.count, octets[position] != 0 {
            guard octets[position] < 64 else { return nil }
            position += 1 + Int(octets[position])
        }
        let end = position + 5
        return position < octets.count && end <= octets.count ? end : nil
    }
}
