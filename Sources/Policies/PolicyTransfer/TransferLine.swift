import Foundation
import TextFormats

/// The first line of an export.
struct HeaderLine: Equatable {
    let format: String
    let version: Int
    let exportedAt: WallTime

    /// The header of the format that this version writes.
    init(exportedAt: WallTime) {
        self.exportedAt = exportedAt
        format = TransferFormat.name
        version = TransferFormat.version
    }
}

extension HeaderLine: Codable {
    private enum CodingKeys: String, CodingKey {
        case format, version
        case exportedAt = "exported-at"
    }

    /// Ignores the fields of another format or version: `exportedAt` is then `RFC3339.earliest`, and the version of another
    /// format is 0.
    ///
    /// - Throws: `DecodingError` or `LineError`.
    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        format = try fields.decode(String.self, forKey: .format)
        version = format == TransferFormat.name ? try fields.decode(Int.self, forKey: .version) : 0
        guard version == TransferFormat.version else {
            exportedAt = RFC3339.earliest
            return
        }
        let text = try fields.decode(String.self, forKey: .exportedAt)
        guard let time = RFC3339.time(from: text) else {
            throw LineError.badTime(field: CodingKeys.exportedAt.rawValue, UntrustedText.escaped(text))
        }
        exportedAt = time
    }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(format, forKey: .format)
        try fields.encode(version, forKey: .version)
        try fields.encode(RFC3339.clampedText(of: exportedAt), forKey: .exportedAt)
    }
}

/// The last line of an export.
struct TrailerLine: Codable, Equatable {
    /// The number of lines between the header and the trailer.
    let policies: Int
}

/// A line after the header.
enum TransferLine: Decodable {
    case policy(PolicyLine)
    case trailer(TrailerLine)

    private enum CodingKeys: CodingKey {
        case domain, policies
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        if fields.contains(.policies), !fields.contains(.domain) {
            self = .trailer(try TrailerLine(from: decoder))
        } else {
            self = .policy(try PolicyLine(from: decoder))
        }
    }
}

/// Encodes and decodes one JSON value on one line.
///
/// Not shared with `APIEncoding`: a change of the API must not change the file format, and this layer is below the API.
/// No module below both fits: Standards and Discovery do not import Foundation.
enum TransferJSON {
    /// Returns the line with its LF.
    static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value)) + [UInt8(ascii: "\n")]
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from line: LineReader.Line) throws(LineError) -> Value {
        guard let octets = line.octets else { throw .tooLong }
        return try decode(type, from: octets)
    }

    /// Uses the first value of a key that occurs twice.
    static func decode<Value: Decodable>(_ type: Value.Type, from octets: [UInt8]) throws(LineError) -> Value {
        // JSONDecoder takes a line with NUL octets for UTF-16.
        guard !octets.contains(0) else { throw .nul }
        do {
            return try JSONDecoder().decode(type, from: Data(octets))
        } catch let error as LineError {
            throw error
        } catch let error as DecodingError {
            throw LineError(error)
        } catch {
            throw .notJSON
        }
    }
}

extension LineError {
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
