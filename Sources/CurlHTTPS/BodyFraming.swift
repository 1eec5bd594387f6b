import Discovery

/// How the end of a body is known.
///
/// libcurl reports no cut of a body that it ends with the connection, so this must never take a body for framed that
/// libcurl ends so. A header that RFC 9112 does not allow, and that libcurl might read differently, is refused.
/// Read against libcurl 7.88.1 and 8.14.1 (`http.c`, `content_encoding.c`).
///
/// Protocol: RFC 9112 §6.1, §6.3; RFC 9113 §8.1.
/// Errors: `FetchFailure`.
enum BodyFraming: Equatable {
    /// By the last chunk, or by the end of an HTTP/2 stream: libcurl refuses a body without them.
    case coded
    /// By Content-Length, in octets.
    case length(Int)
    /// By the end of the connection.
    case connection

    /// - Parameter fields: all of a final response.
    init(of fields: [HeaderField], in version: HTTPVersion) throws(FetchFailure) {
        let encodings = fields.filter { $0.isNamed("transfer-encoding") }
        let lengths = fields.filter { $0.isNamed("content-length") }
        let codings = encodings.flatMap(\.members)
        let (chunked, identity) = (Array("chunked".utf8), Array("identity".utf8))
        guard codings.allSatisfy({ $0 == chunked || $0 == identity }) else { throw .http(.contentCoding) }
        // Frames of its own (RFC 9113 §8.1); libcurl's HTTP/2 library refuses Transfer-Encoding, and a wrong Content-Length.
        if version == .http2 {
            self = .coded
            return
        }
        guard (encodings + lengths).allSatisfy(\.isUnambiguous) else {
            throw .transport(.broken("Transfer-Encoding or Content-Length is folded or has a blank before its colon"))
        }
        guard !encodings.isEmpty else {
            self = try Self.framing(lengths)
            return
        }
        // RFC 9112 §6.1, §6.3: faulty framing, "ought to be handled as an error".
        guard lengths.isEmpty else { throw .transport(.broken("Transfer-Encoding and Content-Length in one response")) }
        guard version == .http11 else { throw .transport(.broken("Transfer-Encoding in an HTTP/1.0 response")) }
        guard encodings.count == 1, codings.count == 1, encodings[0].value.count == codings[0].count else {
            throw .transport(.broken("Transfer-Encoding is not one coding"))
        }
        self = codings == [chunked] ? .coded : .connection
    }

    private static func framing(_ lengths: [HeaderField]) throws(FetchFailure) -> BodyFraming {
        guard !lengths.isEmpty else { return .connection }
        // The same length twice is valid (RFC 9110 §8.6).
        let values = Set(lengths.flatMap(\.members))
        guard values.count == 1, let digits = values.first, digits.allSatisfy({ (0x30...0x39).contains($0) }),
            let octets = Int(String(decoding: digits, as: UTF8.self))
        else { throw .transport(.broken("Content-Length is no number")) }
        return .length(octets)
    }
}
