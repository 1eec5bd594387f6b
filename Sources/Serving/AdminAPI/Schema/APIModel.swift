import Foundation
import TextFormats

/// A value of the API that describes its own shape.
package protocol APIModel: Codable, Sendable {
    static var schema: ObjectSchema { get }
}

/// A closed set of words in the API. The OpenAPI document lists `allCases`.
package protocol APIWord: RawRepresentable<String>, CaseIterable, Codable, CodingKeyRepresentable, Hashable, Sendable {}

extension APIWord {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let word = Self(rawValue: text) else {
            let expected = Self.allCases.map(\.rawValue).joined(separator: ", ")
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "\"\(UntrustedText.printable(text, limit: 100))\" is unknown, expected \(expected)")
        }
        self = word
    }
}

/// Encodes JSON for the API, the output of commands and the log. The names are sorted, so each value has one form.
package enum APIEncoding {
    /// - Parameter isIndented: whether the JSON has several lines, for people, or one.
    package static func json(_ value: some Encodable, isIndented: Bool = false) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if isIndented { encoder.outputFormatting.insert(.prettyPrinted) }
        return try encoder.encode(value)
    }

    /// Returns the JSON as text.
    package static func text(_ value: some Encodable, isIndented: Bool = false) throws -> String {
        String(decoding: try json(value, isIndented: isIndented), as: UTF8.self)
    }
}
