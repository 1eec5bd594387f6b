/// One TXT record, with its character-strings joined without separators (RFC 8461 §3.1, RFC 1035 §3.3.14).
package struct TXTRecord: Hashable, Sendable {
    package let octets: [UInt8]

    /// Parses record data in wire form: one or more strings, each with an octet of length before it.
    ///
    /// Returns `nil` if there is no string, or the last string ends early.
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
