import MTASTS

/// The corpus as inputs and outcomes of this module.
extension CorpusCase {
    /// The RRset of a case of records.txt: one list of character-strings a record.
    var recordStrings: [[[UInt8]]] {
        var records: [[[UInt8]]] = []
        for field in fields {
            if field.key == "rr" { records.append([field.octets]) }
            if field.key == "+" { records[records.count - 1].append(field.octets) }
        }
        return records
    }

    /// The body of a case of policies.txt.
    var body: [UInt8] {
        fields.flatMap { field -> [UInt8] in
            switch field.key {
            case "|": field.octets + [UInt8(ascii: "\n")]
            case "|-": field.octets
            default: []
            }
        }
    }
}

/// TXT record data in wire form (RFC 1035 §3.3.14); a string of more than 255 octets becomes several.
func rdata(_ strings: [[UInt8]]) -> [UInt8] {
    strings.flatMap { string -> [UInt8] in
        guard !string.isEmpty else { return [0] }
        return stride(from: 0, to: string.count, by: 255).flatMap { start -> [UInt8] in
            let piece = string[start..<min(start + 255, string.count)]
            return [UInt8(piece.count)] + piece
        }
    }
}

func octets(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Outcomes in the words of the corpus.
func words(_ selection: RecordSelection) -> String {
    switch selection {
    case .record(let record): "record \(record.id)"
    case .noCandidate: "noCandidate"
    case .severalCandidates(let count): "several \(count)"
    case .invalid(let error): "invalid \(words(error))"
    }
}

func words(_ error: RecordError) -> String { "\(error.offset) \(error.reason)" }

func words(_ policy: STSPolicy) -> String {
    ([policy.mode.rawValue, String(policy.maxAge)] + policy.mx.map(\.description)).joined(separator: " ")
}

func words(_ error: PolicyError) -> String {
    (error.line.map { "line \($0)" } ?? "nowhere") + " \(error.reason)"
}

func readRecord(_ octets: [UInt8]) -> Result<STSRecord, RecordError> {
    do throws(RecordError) {
        return .success(try STSRecord(octets))
    } catch {
        return .failure(error)
    }
}

func readPolicy(_ octets: [UInt8]) -> Result<STSPolicy, PolicyError> {
    do throws(PolicyError) {
        return .success(try STSPolicy(octets))
    } catch {
        return .failure(error)
    }
}
