/// The versions of HTTP that a policy is fetched over.
enum HTTPVersion: Equatable {
    case http10
    case http11
    case http2
}

/// The first line of a response: `HTTP/1.1 200 OK` (RFC 9112 §4), or what libcurl makes of HTTP/2's `:status`, `HTTP/2 200`.
///
/// Stricter than libcurl, which also takes tabs, `HTTP/2.0` and digits with a sign.
struct StatusLine: Equatable {
    let version: HTTPVersion
    let status: Int

    /// - Parameter line: without its line end. `nil` for another line.
    init?(_ line: some Collection<UInt8>) {
        let words = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count > 1, words[1].count == 3, words[1].allSatisfy({ (0x30...0x39).contains($0) }) else {
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
