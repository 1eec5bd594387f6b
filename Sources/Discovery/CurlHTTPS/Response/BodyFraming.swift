import Discovery
import TextFormats

/// How the end of a body is marked.
///
/// If a body ends with the connection, libcurl does not report a truncation. So this type and libcurl must agree on which
/// bodies those are. A header that RFC 9112 forbids, and that libcurl might read differently, is an error. Checked against
/// the sources of libcurl 7.88.1 and 8.14.1 (`http.c`, `content_encoding.c`).
///
/// Protocol: RFC 9112 §6.1, §6.3; RFC 9113 §8.1.
/// Errors: `FetchError`.
enum BodyFraming: Equatable {
    /// The last chunk, or the end of an HTTP/2 stream. libcurl rejects a body without it.
    case framed
    /// Content-Length, in octets.
    case length(Int)
    /// The end of the connection.
    case connection

    /// - Parameter fields: All fields of a final response.
    init(of fields: [HeaderField], in version: HTTPVersion) throws(FetchError) {
        let encodings = fields.filter { $0.isNamed("transfer-encoding") }
        let lengths = fields.filter { $0.isNamed("content-length") }
        let codings = encodings.flatMap(\.members)
        let (chunked, identity) = (Array("chunked".utf8), Array("identity".utf8))
        guard codings.allSatisfy({ $0 == chunked || $0 == identity }) else { throw .http(.contentCoding) }
        // HTTP/2 has frames (RFC 9113 §8.1). libcurl's HTTP/2 library rejects Transfer-Encoding and a wrong Content-Length.
        if version == .http2 {
            self = .framed
            return
        }
        guard (encodings + lengths).allSatisfy(\.isUnambiguous) else {
            throw .transport(.broken("Transfer-Encoding or Content-Length is folded or has a blank before its colon"))
        }
        guard !encodings.isEmpty else {
            self = try Self.framing(from: lengths)
            return
        }
        // Wrong framing "ought to be handled as an error" (RFC 9112 §6.1, §6.3).
        guard lengths.isEmpty else { throw .transport(.broken("Transfer-Encoding and Content-Length in one response")) }
        guard version == .http11 else { throw .transport(.broken("Transfer-Encoding in an HTTP/1.0 response")) }
        guard encodings.count == 1, codings.count == 1, encodings[0].value.count == codings[0].count else {
            throw .transport(.broken("Transfer-Encoding is not one coding"))
        }
        self = codings == [chunked] ? .framed : .connection
    }

    private static func framing(from lengths: [HeaderField]) throws(FetchError) -> BodyFraming {
        guard !lengths.isEmpty else { return .connection }
        // The same length twice is valid (RFC 9110 §8.6).
        let values = Set(lengths.flatMap(\.members))
        guard values.count == 1, let digits = values.first, digits.allSatisfy(\.isDigit),
            let octets = Int(String(decoding: digits, as: UTF8.self))
        else { throw .transport(.broken("Content-Length is not a number")) }
        return .length(octets)
    }
}
