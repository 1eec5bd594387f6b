import TextFormats

/// The supported versions of HTTP.
enum HTTPVersion: Equatable {
    case http10
    case http11
    case http2
}

/// The first line of a response: `HTTP/1.1 200 OK` (RFC 9112 §4). For HTTP/2, libcurl makes `HTTP/2 200` of `:status`.
///
/// The parser is stricter than libcurl, which also accepts tabs, `HTTP/2.0` and digits with a sign.
struct StatusLine: Equatable {
    let version: HTTPVersion
    let status: Int

    /// Returns `nil` if `line` is not a status line.
    ///
    /// - Parameter line: Without its line end.
    init?(_ line: some Collection<UInt8>) {
        let words = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count > 1, words[1].count == 3, words[1].allSatisfy(\.isDigit) else {
            return nil
        }
        switch String(decoding: words[0], as: UTF8.self) {
        case "HTTP/1.0": version = .http10
        case "HTTP/1.1": version = .http11
        case "HTTP/2": version = .http2
        default: return nil
        }
        status = words[1].reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}
