import Foundation

/// The first line, as it is written.
struct TransferHeader: Encodable, Equatable {
    let exportedAt: String
    let format: String
    let version: Int

    init(exportedAt: String) {
        self.exportedAt = exportedAt
        format = TransferFormat.name
        version = TransferFormat.version
    }

    fileprivate enum CodingKeys: String, CodingKey {
        case format, version
        case exportedAt = "exported-at"
    }
}

/// The first line, as it is read: of another format or version nothing more is known.
enum TransferOpening: Decodable, Equatable {
    case export(at: String)
    case otherFormat(String)
    case otherVersion(Int)

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: TransferHeader.CodingKeys.self)
        let format = try fields.decode(String.self, forKey: .format)
        guard format == TransferFormat.name else {
            self = .otherFormat(format)
            return
        }
        let version = try fields.decode(Int.self, forKey: .version)
        guard version == TransferFormat.version else {
            self = .otherVersion(version)
            return
        }
        self = .export(at: try fields.decode(String.self, forKey: .exportedAt))
    }
}

/// A line of a policy, its fields as they stand there.
struct TransferFields: Codable, Equatable {
    let domain: String
    let id: String
    let fetchedAt: String
    let askedAt: String?
    let policy: String?
    let policyBase64: String?
    /// Since when the clock of the exporting host was behind `fetchedAt`.
    var clockBehindSince: String?

    enum CodingKeys: String, CodingKey {
        case domain, id, policy
        case fetchedAt = "fetched-at"
        case askedAt = "asked-at"
        case policyBase64 = "policy-base64"
        case clockBehindSince = "clock-behind-since"
    }
}

/// The last line.
struct TransferTrailer: Codable, Equatable {
    let policies: Int
}

/// Any line but the first.
enum TransferLine: Decodable {
    case policy(TransferFields)
    case trailer(TransferTrailer)

    private enum Mark: CodingKey {
        case domain, policies
    }

    init(from decoder: any Decoder) throws {
        let marks = try decoder.container(keyedBy: Mark.self)
        if marks.contains(.policies), !marks.contains(.domain) {
            self = .trailer(try TransferTrailer(from: decoder))
        } else {
            self = .policy(try TransferFields(from: decoder))
        }
    }
}

/// JSON, a value a line.
enum TransferJSON {
    /// With the LF.
    static func line(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value)) + [UInt8(ascii: "\n")]
    }

    /// Of a key given twice the first counts.
    static func read<Value: Decodable>(_ type: Value.Type, from line: [UInt8]) throws(LineFault) -> Value {
        // JSON has no NUL, and the decoder would take such a line for UTF-16.
        guard !line.contains(0) else { throw .nul }
        do {
            return try JSONDecoder().decode(type, from: Data(line))
        } catch let error as DecodingError {
            throw LineFault(error)
        } catch {
            throw .notJSON
        }
    }
}

extension LineFault {
    fileprivate init(_ error: DecodingError) {
        switch error {
        case .keyNotFound(let key, _):
            self = .missing(field: key.stringValue)
        case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
            guard let key = context.codingPath.last else {
                self = .notObject
                return
            }
            self = .wrongType(field: key.stringValue, expected: type == Int.self ? "a whole number" : "a string")
        case .dataCorrupted:
            self = .notJSON
        @unknown default:
            self = .notJSON
        }
    }
}
