/// The usable and unusable records of the secure TLSA RRset of a host (RFC 7672 §2.2).
package struct TLSARecordSet: Hashable, Sendable {
    /// The number of records that can authenticate the host.
    package let usable: Int
    /// The number of records: usable, unusable and malformed.
    package let total: Int

    /// A malformed record counts as one more unusable record (RFC 6698 §4.1). The other records stay usable, and the RRset
    /// still promises TLS.
    ///
    /// - Parameter rdata: The record data of the whole RRset.
    package init(rdata: [[UInt8]]) {
        usable = rdata.count { data in
            guard let record = try? TLSARecord(rdata: data) else { return false }
            return record.defect == nil
        }
        total = rdata.count
    }

    /// One usable record is enough. The mail server chooses among several (digest agility, RFC 7671 §9).
    package var isUsable: Bool { usable > 0 }
}
