/// One TXT record: its character-strings joined with nothing between them (RFC 8461 §3.1, RFC 1035 §3.3.14).
package struct TXTRecord: Hashable, Sendable {
    package let octets: [UInt8]

    /// From record data in wire form: one or more strings, each an octet of length and that many octets.
    ///
    /// `nil` when malformed: no string at all, or a last string that ends early.
    package init?(rdata: [UInt8]) {
        guard !rdata.isEmpty else { return nil }
        var joined: [UInt8] = []
        joined.reserveCapacity(rdata.count)
        var position = 0
        while position < rdata.count {
            let start = position + 1
            let end = start + Int(rdata[position])
            guard end <= rdata.count else { return nil }
            joined += rdata[start..<end]
            position = end
        }
        octets = joined
    }
}
