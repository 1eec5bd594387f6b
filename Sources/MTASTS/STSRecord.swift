/// The MTA-STS TXT record of a domain (RFC 8461 §3.1): that there is a policy, and which instance of it.
package struct STSRecord: Hashable, Sendable {
    package let id: RecordID

    /// Reads one record whose character-strings are joined already.
    package init(_ octets: [UInt8]) throws(RecordError) {
        var parser = RecordParser(octets)
        id = try parser.parse()
    }
}

/// What the TXT records at `_mta-sts.` come to (RFC 8461 §3.1). Without a `record` discovery stops: no policy is
/// fetched, and an unexpired one in the cache stays in force.
package enum RecordSelection: Hashable, Sendable {
    /// The one candidate, and it is valid.
    case record(STSRecord)
    /// No candidate.
    case noCandidate
    /// So many candidates, valid or not; at least two.
    case severalCandidates(Int)
    /// The one candidate, but it is wrong.
    case invalid(RecordError)
}

extension STSRecord {
    /// Selects among the whole TXT RRset.
    ///
    /// A candidate begins with `v=STSv1;`, whatever follows: candidates are counted before any is read (§3.1 "discarded").
    /// The literal has its semicolon, so `v=STSv10;` is none.
    package static func select(from records: [TXTRecord]) -> RecordSelection {
        // The discarding is for several records only. The ABNF allows blanks before the semicolon, so a sole
        // `v=STSv1 ;id=1` is read by the ABNF alone (erratum 6285; STS-3.1-o, D1).
        if records.count == 1, let sole = records.first, beginsWithVersionToken(sole.octets) {
            return read(sole)
        }
        let candidates = records.lazy.filter { $0.octets.starts(with: "v=STSv1;") }
        let count = candidates.count
        guard count < 2 else { return .severalCandidates(count) }
        return candidates.first.map(read) ?? .noCandidate
    }

    private static func read(_ candidate: TXTRecord) -> RecordSelection {
        do throws(RecordError) {
            return .record(try STSRecord(candidate.octets))
        } catch {
            return .invalid(error)
        }
    }

    /// Whether the record means to be an STSv1 record, so that its fault is worth telling: `v=STSv1`, then a blank,
    /// a semicolon or the end.
    private static func beginsWithVersionToken(_ octets: [UInt8]) -> Bool {
        guard octets.starts(with: RecordParser.version) else { return false }
        guard let next = octets.dropFirst(RecordParser.version.utf8CodeUnitCount).first else { return true }
        return next.isBlank || next == UInt8(ascii: ";")
    }
}
