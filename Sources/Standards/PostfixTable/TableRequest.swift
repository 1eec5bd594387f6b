/// One lookup of a Postfix table client, in either protocol.
package struct TableRequest: Equatable, Sendable {
    /// The dialect the client chose by its map name; `nil`: the configured default.
    package let dialect: Dialect?
    /// The key as sent: a next-hop in any case, perhaps in raw UTF-8. It may be any octets.
    package let key: [UInt8]

    package init(dialect: Dialect?, key: [UInt8]) {
        self.dialect = dialect
        self.key = key
    }
}

/// Where a request is in a sequence of octets.
package struct RequestFrame: Equatable, Sendable {
    /// As in `TableRequest`.
    package let dialect: Dialect?
    /// The position of the key as sent.
    package let key: Range<Int>
    /// Octets of the whole request.
    package let length: Int
}

/// A malformed request. The stream is out of step after it, so the connection ends.
package enum MalformedRequestError: Error, Equatable, Sendable {
    /// Longer than the limit in octets.
    case tooLong(limit: Int)
    /// Not the frame of the protocol. The text is the expected syntax.
    case frame(String)
}

extension MalformedRequestError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLong(let limit): "request longer than \(limit) octets"
        case .frame(let expected): "malformed request: \(expected)"
        }
    }
}

/// The longest request in octets: Postfix's own `socketmap_max_query_size`. The longest domain name is 253.
package let maximumRequest = 10_000
