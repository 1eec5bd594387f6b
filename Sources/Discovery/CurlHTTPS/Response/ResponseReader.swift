import Discovery
import TextFormats

/// Reads one HTTP response from libcurl: header lines, then octets of the body. Stops at the first error.
///
/// A pure value. It ignores caching fields (RFC 8461 §3.3).
///
/// Limits: `maximumBody` octets of body, and `maximumHeader` octets of header lines.
/// Errors: `error` is the reason why the transfer must stop.
struct ResponseReader {
    /// Includes interim responses and trailers, so that no response is endless.
    static let maximumHeader = 65_536

    private enum State {
        case statusLine
        case fields(StatusLine)
        case body
    }

    private let maximumBody: Int
    private var state = State.statusLine
    private var framing = BodyFraming.connection
    private var headerOctets = 0
    private var fields: [HeaderField] = []

    private(set) var body: [UInt8] = []
    /// The values of the Content-Type lines, in order. A second line is an error that the caller must see (RFC 9110 §5.3).
    private(set) var contentTypes: [String] = []
    /// The reason to stop; `nil` while the transfer may continue.
    private(set) var error: FetchError?

    /// Whether the status line and all fields of a 200 response have arrived.
    var hasCompleteHeader: Bool {
        guard case .body = state else { return false }
        return error == nil
    }

    /// The reason why the body may be incomplete; `nil` if it is complete.
    ///
    /// - Parameter hasCloseNotify: Whether the peer ended the TLS connection. Otherwise an attacker may have truncated a body
    ///   that ends with the connection, and a truncated policy may parse (STS-3.3-l).
    func incompleteReason(hasCloseNotify: Bool) -> String? {
        switch framing {
        case .framed: nil
        case .length(let octets): octets == body.count ? nil : "body length differs from Content-Length"
        case .connection: hasCloseNotify ? nil : "connection ended without close_notify, the body may be truncated"
        }
    }

    init(maximumBody: Int) {
        self.maximumBody = maximumBody
    }

    /// Receives one line with its line end. Returns `false` if the transfer must stop, see `error`.
    ///
    /// - Parameter isHTTP2: Whether ALPN chose HTTP/2, whatever version the status line has.
    mutating func receive(headerLine octets: some BidirectionalCollection<UInt8>, isHTTP2: Bool) -> Bool {
        guard error == nil else { return false }
        headerOctets += octets.count
        guard headerOctets <= Self.maximumHeader else { return fail(.transport(.broken("header too long"))) }
        if case .body = state { return true }  // Ignore trailer fields (RFC 9110 §6.5).
        let line = octets.withoutLineEnd
        // Invalid, because parsers disagree on whether the line ends there (RFC 9112 §2.2, RFC 9110 §5.5).
        guard !line.contains(where: { $0 == 0x0D || $0 == 0 }) else {
            return fail(.transport(.broken("CR or NUL within a header line")))
        }
        switch state {
        case .statusLine:
            guard let status = StatusLine(line) else { return fail(.transport(.broken("no HTTP status line"))) }
            guard (status.version == .http2) == isHTTP2 else {
                return fail(.transport(.broken("HTTP version of the status line differs from ALPN")))
            }
            state = .fields(status)
            fields = []
            return true
        case .fields(let status):
            return line.isEmpty ? endFields(status) : receiveField(line)
        case .body:
            return true
        }
    }

    /// Receives a piece of the body without its transfer coding. Returns `false` if the transfer must stop, see `error`.
    mutating func receive(body piece: some Collection<UInt8>) -> Bool {
        guard error == nil else { return false }
        // Never shorten a body: a truncated policy may parse (STS-3.3-l).
        guard piece.count <= maximumBody - body.count else { return fail(.http(.tooLarge(limit: maximumBody))) }
        body += piece
        return true
    }

    /// After 1xx another response follows (RFC 9110 §15.2), except after 101, which ends HTTP.
    private mutating func endFields(_ line: StatusLine) -> Bool {
        if (100...199).contains(line.status), line.status != 101 {
            state = .statusLine
            return true
        }
        // Only 200 has a policy; redirects are not followed (RFC 8461 §3.3). Do not wait for the body of another response.
        guard line.status == 200 else { return fail(.http(.status(line.status))) }
        let codings = fields.filter { $0.isNamed("content-encoding") }.flatMap(\.members)
        guard codings.allSatisfy({ $0.elementsEqual("identity".utf8) }) else { return fail(.http(.contentCoding)) }
        do {
            framing = try BodyFraming(of: fields, in: line.version)
        } catch {
            return fail(error)
        }
        contentTypes = fields.filter { $0.isNamed("content-type") }.map { String(decoding: $0.value, as: UTF8.self) }
        state = .body
        return true
    }

    private mutating func receiveField(_ line: some BidirectionalCollection<UInt8>) -> Bool {
        // A folded line continues the field before it (RFC 9112 §5.2). The first line cannot be folded (§2.2).
        if line.first?.isBlank == true, !fields.isEmpty {
            fields[fields.count - 1].append(folded: line)
            return true
        }
        guard line.first?.isBlank == false, let field = HeaderField(line: line) else {
            return fail(.transport(.broken("malformed header line")))
        }
        fields.append(field)
        return true
    }

    private mutating func fail(_ failure: FetchError) -> Bool {
        error = failure
        body = []
        return false
    }
}

extension BidirectionalCollection<UInt8> {
    /// The line without CRLF or LF at its end (RFC 9112 §2.2).
    fileprivate var withoutLineEnd: SubSequence {
        guard last == 0x0A else { return self[...] }
        let line = dropLast()
        return line.last == 0x0D ? line.dropLast() : line
    }
}
