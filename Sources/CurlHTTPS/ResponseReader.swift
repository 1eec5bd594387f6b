import Discovery

/// Reads one HTTP response as libcurl hands it out: header lines, then octets of the body. Stops at the first reason.
///
/// A pure value. At most `maximumBody` octets of body and `maximumHeader` of header lines are taken, whatever the peer
/// sends. Caching fields are not even looked at (RFC 8461 §3.3).
struct ResponseReader {
    /// Enough for any server's fields; interim responses and trailers count too, so that none goes on for ever.
    static let maximumHeader = 65_536

    /// How the end of the body is known (RFC 9112 §6.3, RFC 9113 §8.1).
    private enum Framing {
        /// By the last chunk, or by the end of an HTTP/2 stream: libcurl refuses a body without them.
        case coded
        /// By Content-Length, in octets.
        case length(Int)
        /// Content-Length is no number, or several ones.
        case invalidLength
        /// By the end of the connection.
        case connection
    }

    private enum Place {
        case statusLine
        case fields(status: Int)
        case body
    }

    private let maximumBody: Int
    private var place = Place.statusLine
    private var isHTTP1 = true
    private var framing = Framing.connection
    private var headerOctets = 0
    private var fields: [(name: String, value: String)] = []

    private(set) var body: [UInt8] = []
    private(set) var contentType: String?
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
        case .invalidLength: "Content-Length is no number"
        case .connection: hasCloseNotify ? nil : "the connection ended without close_notify, the body may be cut"
        }
    }

    init(maximumBody: Int) {
        self.maximumBody = maximumBody
    }

    /// Takes one line with its line end. False: stop the transfer, see `refusal`.
    mutating func take(headerLine line: some Collection<UInt8>) -> Bool {
        guard refusal == nil else { return false }
        headerOctets += line.count
        guard headerOctets <= Self.maximumHeader else { return refuse(.transport(.broken("endless header"))) }
        let text = line.trimmed
        switch place {
        case .statusLine:
            guard let status = Self.status(text) else { return refuse(.transport(.broken("no HTTP status line"))) }
            isHTTP1 = text.starts(with: "HTTP/1".utf8)
            place = .fields(status: status)
            fields = []
            return true
        case .fields(let status):
            if text.isEmpty { return endOfFields(status) }
            takeField(text, isFolded: line.first.map { $0.isBlank } ?? false)
            return true
        case .body:
            return true  // A trailer field (RFC 9110 §6.5): none is of interest.
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
    private mutating func endOfFields(_ status: Int) -> Bool {
        if (100...199).contains(status), status != 101 {
            place = .statusLine
            return true
        }
        // RFC 8461 §3.3: 200 and nothing else; 3xx is not followed. The body of another response is not awaited.
        guard status == 200 else { return refuse(.http(.status(status))) }
        guard codings("content-encoding").allSatisfy({ $0 == "identity" }),
            codings("transfer-encoding").allSatisfy({ $0 == "chunked" || $0 == "identity" })
        else { return refuse(.http(.contentCoding)) }
        framing = readFraming()
        let types = values("content-type")
        // A field that must not be repeated stays visible as repeated (RFC 9110 §5.3).
        contentType = types.isEmpty ? nil : types.joined(separator: ", ")
        place = .body
        return true
    }

    private mutating func takeField(_ text: [UInt8], isFolded: Bool) {
        // RFC 9112 §5.2: a folded line goes on with the field before it.
        if isFolded {
            guard !fields.isEmpty else { return }
            fields[fields.count - 1].value += " " + String(decoding: text, as: UTF8.self)
            return
        }
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")) else { return }
        let name = String(decoding: text[..<colon].trimmed, as: UTF8.self).lowercased()
        fields.append((name, String(decoding: text[(colon + 1)...].trimmed, as: UTF8.self)))
    }

    private func readFraming() -> Framing {
        if !isHTTP1 || codings("transfer-encoding").contains("chunked") { return .coded }
        // The same length twice is valid (RFC 9110 §8.6).
        let lengths = Set(values("content-length").flatMap { $0.split(separator: ",") }.map { Array($0.utf8).trimmed })
        guard let first = lengths.first else { return .connection }
        let isNumber = lengths.count == 1 && !first.isEmpty && first.allSatisfy { (0x30...0x39).contains($0) }
        guard isNumber, let octets = Int(String(decoding: first, as: UTF8.self)) else { return .invalidLength }
        return .length(octets)
    }

    private func values(_ name: String) -> [String] {
        fields.filter { $0.name == name }.map(\.value)
    }

    private func codings(_ name: String) -> [String] {
        values(name).flatMap { $0.split(separator: ",") }
            .map { String(decoding: Array($0.utf8).trimmed, as: UTF8.self).lowercased() }
            .filter { !$0.isEmpty }
    }

    private mutating func refuse(_ failure: FetchFailure) -> Bool {
        refusal = failure
        body = []
        return false
    }

    /// `HTTP/1.1 200 OK`, `HTTP/2 200`: three digits after the first blank.
    private static func status(_ line: [UInt8]) -> Int? {
        guard line.starts(with: "HTTP/".utf8), let blank = line.firstIndex(of: UInt8(ascii: " ")) else { return nil }
        let digits = line[(blank + 1)...].prefix { $0 != UInt8(ascii: " ") }
        guard digits.count == 3, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}

extension UInt8 {
    fileprivate var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }
}

extension Collection<UInt8> {
    /// Without blanks and line ends around it.
    fileprivate var trimmed: [UInt8] {
        let isEdge = { (octet: UInt8) in octet.isBlank || octet == 0x0d || octet == 0x0a }
        return Array(drop(while: isEdge).reversed().drop(while: isEdge).reversed())
    }
}
