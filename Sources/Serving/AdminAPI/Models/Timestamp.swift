import TextFormats

/// A moment in the API: RFC 3339 in UTC, to the millisecond.
package struct Timestamp: Hashable, Comparable, Sendable {
    package let time: WallTime

    package init(_ time: WallTime) {
        self.time = time
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.time < right.time }
}

extension Timestamp: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let time = RFC3339.time(from: text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "expected \(RFC3339.expected)")
        }
        self.time = time
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(RFC3339.clampedText(of: time))
    }
}

extension Timestamp: CustomStringConvertible {
    package var description: String { RFC3339.clampedText(of: time) }
}
