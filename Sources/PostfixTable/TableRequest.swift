/// One lookup of a Postfix table client, either protocol.
package struct TableRequest: Equatable, Sendable {
    /// The dialect the client chose by its map name; `nil`: the configured default.
    package let dialect: Dialect?
    /// The key as sent: a next-hop, in any case, perhaps raw UTF-8. Remote octets.
    package let key: [UInt8]

    package init(dialect: Dialect?, key: [UInt8]) {
        self.dialect = dialect
        self.key = key
    }
}

/// A request that is not one. It cannot be skipped: the stream is no longer in step, so the connection ends.
package enum MalformedRequest: Error, Equatable, Sendable {
    /// Longer than the limit in octets.
    case tooLong(limit: Int)
    /// Not the protocol's frame; the text says what was expected.
    case frame(String)
}

extension MalformedRequest: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLong(let limit): "request longer than \(limit) octets"
        case .frame(let expected): "malformed request: \(expected)"
        }
    }
}

/// The longest request in octets: Postfix's own `socketmap_max_query_size`. The longest domain name is 253.
package let maximumRequest = 10_000
