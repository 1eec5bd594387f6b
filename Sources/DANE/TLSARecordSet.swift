/// What the secure TLSA RRset of a host comes to (RFC 7672 §2.2).
package struct TLSARecordSet: Hashable, Sendable {
    /// How many of the records can authenticate the host.
    package let usable: Int
    /// How many records there are, usable or not, malformed ones included.
    package let total: Int

    /// Malformed record data counts as one more unusable record (RFC 6698 §4.1): its neighbours keep their worth, and
    /// that the host promises TLS is said by the RRset, whatever is in it.
    ///
    /// - Parameter rdata: the record data of the whole RRset.
    package init(rdata: [[UInt8]]) {
        usable = rdata.count { data in
            guard let record = try? TLSARecord(rdata: data) else { return false }
            return record.defect == nil
        }
        total = rdata.count
    }

    /// One usable record is enough: which of several is to be used (digest agility, RFC 7671 §9) is settled where the
    /// certificate is compared.
    package var isUsable: Bool { usable > 0 }
}
