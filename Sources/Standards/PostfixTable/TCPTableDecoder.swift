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
        let view = buffer.readableBytesView
        guard let end = view.prefix(limit + 1).firstIndex(of: UInt8(ascii: "\n")) else {
            guard view.count <= limit else { throw MalformedRequestError.tooLong(limit: limit) }
            return nil
        }
        let line = view[..<end]
        buffer.moveReaderIndex(forwardBy: line.count + 1)
        let prefix = "get ".utf8
        guard line.starts(with: prefix) else { throw MalformedRequestError.frame("get, a space and the key") }
        var key = line.dropFirst(prefix.count)
        // CR LF is unambiguous: a CR in the key itself is written %0D.
        if key.last == UInt8(ascii: "\r") { key = key.dropLast() }
        return TableRequest(dialect: nil, key: try Self.unquote(key))
    }

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
