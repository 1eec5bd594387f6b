import Discovery

/// Reads one HTTP response as libcurl hands it out: header lines, then octets of the body. Stops at the first reason.
///
/// A pure value. At most `maximumBody` octets of body and `maximumHeader` of header lines are taken, whatever the peer
/// sends. Caching fields are not even looked at (RFC 8461 §3.3).
struct ResponseReader {
    /// Enough for any server's fields; interim responses and trailers count too, so that none goes on for ever.
    static let maximumHeader = 65_536

    private enum Place {
        case statusLine
        case fields(StatusLine)
        case body
    }

    private let maximumBody: Int
    private var place = Place.statusLine
    private var framing = BodyFraming.connection
    private var headerOctets = 0
    private var fields: [HeaderField] = []

    private(set) var body: [UInt8] = []
    /// The values of the Content-Type lines, in order: one that must not be repeated stays visible as repeated
    /// (RFC 9110 §5.3).
    private(set) var contentTypes: [String] = []
    /// Why nothing more is to be read. `nil` so far.
    private(set) var refusal: FetchFailure?

    /// Whether a status line and all fields of a 200 response have been read.
    var isComplete: Bool {
        guard case .body = place else { return false }
        return refusal == nil
    }

    /// Why the body that has come is not known to be the whole one; `nil` when it is.
    ///
    /// - Parameter hasCloseNotify: whether the peer ended the TLS connection. Without that, somebody on the path may have cut
    ///   a body that ends with its connection, and a cut policy could parse (STS-3.3-l).
    func incompleteness(hasCloseNotify: Bool) -> String? {
        switch framing {
        case .coded: nil
        case .length(let octets): octets == body.count ? nil : "the body is not as long as Content-Length says"
        case .connection: hasCloseNotify ? nil : "the connection ended without close_notify, the body may be cut"
        }
    }

    init(maximumBody: Int) {
        self.maximumBody = maximumBody
    }

    /// Takes one line with its line end. False: stop the transfer, see `refusal`.
    ///
    /// - Parameter isHTTP2: whether that is the connection's protocol, whatever the peer's status line says.
    mutating func take(headerLine octets: some BidirectionalCollection<UInt8>, isHTTP2: Bool) -> Bool {
        guard refusal == nil else { return false }
        headerOctets += octets.count
        guard headerOctets <= Self.maximumHeader else { return refuse(.transport(.broken("endless header"))) }
        if case .body = place { return true }  // A trailer field (RFC 9110 §6.5): none is of interest.
        let line = octets.withoutLineEnd
        // RFC 9112 §2.2, RFC 9110 §5.5: invalid. One reader may end the line there, another not.
        guard !line.contains(where: { $0 == 0x0D || $0 == 0 }) else {
            return refuse(.transport(.broken("CR or NUL within a header line")))
        }
        switch place {
        case .statusLine:
            guard let status = StatusLine(line) else { return refuse(.transport(.broken("no HTTP status line"))) }
            guard (status.version == .http2) == isHTTP2 else {
                return refuse(.transport(.broken("the status line names another HTTP version than ALPN")))
            }
            place = .fields(status)
            fields = []
            return true
        case .fields(let status):
            return line.isEmpty ? endOfFields(status) : takeField(line)
        case .body:
            return true
        }
    }

    /// Takes a piece of the body, decoded from its transfer coding. False: stop the transfer, see `refusal`.
    mutating func take(body piece: some Collection<UInt8>) -> Bool {
        guard refusal == nil else { return false }
        // Never a shortened body: a cut policy could parse (STS-3.3-l).
        guard piece.count <= maximumBody - body.count else { return refuse(.http(.tooLarge(limit: maximumBody))) }
        body += piece
        return true
    }

    /// 1xx announces another response (RFC 9110 §15.2), except 101, after which HTTP is over.
    private mutating func endOfFields(_ line: StatusLine) -> Bool {
        if (100...199).contains(line.status), line.status != 101 {
            place = .statusLine
            return true
        }
        // RFC 8461 §3.3: 200 and nothing else; 3xx is not followed. The body of another response is not awaited.
        guard line.status == 200 else { return refuse(.http(.status(line.status))) }
        let codings = fields.filter { $0.isNamed("content-encoding") }.flatMap(\.members)
        guard codings.allSatisfy({ $0.elementsEqual("identity".utf8) }) else { return refuse(.http(.contentCoding)) }
        do {
            framing = try BodyFraming(of: fields, in: line.version)
        } catch {
            return refuse(error)
        }
        contentTypes = fields.filter { $0.isNamed("content-type") }.map { String(decoding: $0.value, as: UTF8.self) }
        place = .body
        return true
    }

    private mutating func takeField(_ line: some BidirectionalCollection<UInt8>) -> Bool {
        // A folded line goes on with the field before it (RFC 9112 §5.2); the first one has none (§2.2).
        if line.first?.isBlank == true, !fields.isEmpty {
            fields[fields.count - 1].append(folded: line)
            return true
        }
        guard line.first?.isBlank == false, let field = HeaderField(line: line) else {
            return refuse(.transport(.broken("a header line that is no field")))
        }
        fields.append(field)
        return true
    }

    private mutating func refuse(_ failure: FetchFailure) -> Bool {
        refusal = failure
        body = []
        return false
    }
}

extension BidirectionalCollection<UInt8> {
    /// Without the CRLF, or the LF alone (RFC 9112 §2.2), at its end.
    fileprivate var withoutLineEnd: SubSequence {
        guard last == 0x0A else { return self[...] }
        let line = dropLast()
        return line.last == 0x0D ? line.dropLast() : line
    }
}
