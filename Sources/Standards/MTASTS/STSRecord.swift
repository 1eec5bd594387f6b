import TextFormats

/// The MTA-STS TXT record of a domain (RFC 8461 §3.1). It announces a policy and identifies its instance.
package struct STSRecord: Hashable, Sendable {
    package let id: RecordID

    /// Parses one record, whose character-strings are joined.
    package init(_ octets: [UInt8]) throws(RecordError) {
        var parser = RecordParser(octets)
        id = try parser.parse()
    }
}

/// The result of a selection among the TXT records at `_mta-sts.` (RFC 8461 §3.1).
///
/// Without a valid record, discovery fetches no policy, and an unexpired policy in the cache still applies.
package enum RecordSelection: Hashable, Sendable {
    /// There is one candidate, and it is valid.
    case record(STSRecord)
    /// No candidate.
    case noCandidate
    /// The number of candidates, valid or not; at least two.
    case severalCandidates(Int)
    /// There is one candidate, and it is invalid.
    case invalid(RecordError)
}

extension STSRecord {
    /// Selects among the whole TXT RRset.
    ///
    /// A candidate begins with `v=STSv1;`, so `v=STSv10;` is none. Candidates are counted before they are parsed (§3.1
    /// "discarded").
    package static func select(from records: [TXTRecord]) -> RecordSelection {
        // Only one of several records is discarded. The ABNF allows blanks before the semicolon, so a single
        // `v=STSv1 ;id=1` is valid (erratum 6285; STS-3.1-o, D1).
        if records.count == 1, let sole = records.first, beginsWithVersionToken(sole.octets) {
            return parse(sole)
        }
        let candidates = records.lazy.filter { $0.octets.starts(with: "v=STSv1;") }
        let count = candidates.count
        guard count < 2 else { return .severalCandidates(count) }
        return candidates.first.map(parse) ?? .noCandidate
    }

    private static func parse(_ candidate: TXTRecord) -> RecordSelection {
        do throws(RecordError) {
            return .record(try STSRecord(candidate.octets))
        } catch {
            return .invalid(error)
        }
    }

    /// Whether the record begins with `v=STSv1` and then a blank, a semicolon or the end. Its error is useful to report.
    private static func beginsWithVersionToken(_ octets: [UInt8]) -> Bool {
        guard octets.starts(with: RecordParser.version) else { return false }
        guard let next = octets.dropFirst(RecordParser.version.utf8CodeUnitCount).first else { return true }
        return next.isBlank || next == UInt8(ascii: ";")
    }
}
