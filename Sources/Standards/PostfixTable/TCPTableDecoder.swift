import NIOCore

/// Splits a byte stream into tcp_table requests.
///
/// Protocol: tcp_table(5): `get SPACE KEY LF`, the key with `%XX` for white space, `%`, control and 8-bit octets.
/// Concurrency: a value; belongs to one connection.
/// Limits: `maximumRequest` octets.
/// Errors: `MalformedRequestError`. After it the stream is out of step and cannot be decoded.
/// Not here: the meaning of a key (NextHop), replies (TCPTableReplyEncoder).
package struct TCPTableDecoder: NIOSingleStepByteToMessageDecoder {
    package typealias InboundOut = TableRequest

    /// The longest line in octets, without its LF.
    private let limit: Int

    package init(limit: Int = maximumRequest) {
        self.limit = limit
    }

    package mutating func decode(buffer: inout ByteBuffer) throws -> TableRequest? {
        let request = try buffer.withUnsafeReadableBytes { octets in
            try frame(at: octets).map { ($0.length, TableRequest(dialect: nil, key: try Self.unquote(octets[$0.key]))) }
        }
        guard let (length, request) = request else { return nil }
        buffer.moveReaderIndex(forwardBy: length)
        return request
    }

    /// The request at the start of `octets`; `nil` if it is not complete yet. Its key is as sent, and may be malformed.
    package func frame(at octets: UnsafeRawBufferPointer) throws(MalformedRequestError) -> RequestFrame? {
        let line = octets.prefix(limit + 1)
        guard let end = line.firstIndex(of: UInt8(ascii: "\n")) else {
            guard octets.count <= limit else { throw .tooLong(limit: limit) }
            return nil
        }
        guard line.starts(with: Self.command) else { throw .frame("get, a space and the key") }
        // CR LF is unambiguous: a CR in the key itself is written %0D.
        let hasReturn = end > Self.command.count && octets[end - 1] == UInt8(ascii: "\r")
        return RequestFrame(dialect: nil, key: Self.command.count..<(hasReturn ? end - 1 : end), length: end + 1)
    }

    /// The request at the start of `octets`, if its key has no octet that is or must be written %XX.
    package func plainFrame(at octets: UnsafeRawBufferPointer) throws(MalformedRequestError) -> RequestFrame? {
        guard let frame = try frame(at: octets), octets[frame.key].allSatisfy(Self.isPlain) else { return nil }
        return frame
    }

    /// Whether the octet stands for itself in a key.
    private static func isPlain(_ octet: UInt8) -> Bool {
        (0x21...0x7e).contains(octet) && octet != UInt8(ascii: "%")
    }

    private static let command = Array("get ".utf8)

    package mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> TableRequest? {
        try decode(buffer: &buffer)
    }

    private static func unquote(_ quoted: some Collection<UInt8>) throws(MalformedRequestError) -> [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(quoted.count)
        var rest = quoted.makeIterator()
        while let octet = rest.next() {
            switch octet {
            case UInt8(ascii: "%"):
                guard let high = rest.next()?.hexValue, let low = rest.next()?.hexValue else {
                    throw .frame("% is followed by two hexadecimal digits")
                }
                octets.append(high << 4 | low)
            case 0x21...0x7e:
                octets.append(octet)
            default:
                throw .frame("white space, control and 8-bit octets of a key are written %XX")
            }
        }
        return octets
    }
}

extension UInt8 {
    fileprivate var hexValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
