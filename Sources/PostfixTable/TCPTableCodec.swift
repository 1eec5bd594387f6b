import NIOCore

/// Cuts a byte stream into tcp_table requests.
///
/// Protocol: tcp_table(5): `get SPACE KEY LF`, the key with `%XX` for white space, `%`, control and 8-bit octets.
/// Concurrency: a value; belongs to one connection.
/// Fails by: throwing `MalformedRequest`; after that the connection ends.
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
            guard view.count <= limit else { throw MalformedRequest.tooLong(limit: limit) }
            return nil
        }
        let line = view[..<end]
        buffer.moveReaderIndex(forwardBy: line.count + 1)
        let prefix = "get ".utf8
        guard line.starts(with: prefix) else { throw MalformedRequest.frame("get, a space and the key") }
        var key = line.dropFirst(prefix.count)
        // A client that ends its lines with CR LF is unambiguous: a CR of the key itself would come as %0D.
        if key.last == UInt8(ascii: "\r") { key = key.dropLast() }
        return TableRequest(dialect: nil, key: try Self.unquote(key))
    }

    package mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> TableRequest? {
        try decode(buffer: &buffer)
    }

    private static func unquote(_ quoted: some Collection<UInt8>) throws(MalformedRequest) -> [UInt8] {
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

/// Writes replies as tcp_table(5) wants them: a status, a space, a quoted text, LF.
package enum TCPTableReplyEncoder {
    /// The longest line in octets, quoted and without its LF, that Postfix takes. It retries a longer one for ten
    /// seconds and then defers.
    package static let maximumLine = 4_095

    /// Appends `reply` to `buffer`. One that is too long for Postfix is said in a shorter dialect, or else becomes a
    /// temporary error that says so.
    @discardableResult
    package static func encode(_ reply: TableReply, dialect: Dialect, into buffer: inout ByteBuffer) -> ReplyFit {
        switch reply {
        case .notFound:
            buffer.writeStaticString("500 NOTFOUND\n")
        case .entry(let entry):
            guard let said = write(entry, dialect: dialect, into: &buffer) else {
                encode(.temporary(entry.tooLong(limit: maximumLine)), dialect: dialect, into: &buffer)
                return .tooLong
            }
            return said == dialect ? .whole : .shortened
        case .temporary(let reason), .refused(let reason):
            // 5xx would mean "not found" and let mail go without its policy.
            buffer.writeStaticString("400 ")
            Array(reason.text.utf8).withUnsafeBytes { quote($0, into: &buffer) }
            buffer.writeStaticString("\n")
        }
        return .whole
    }

    /// - Returns: the dialect it was said in; `nil`, and nothing is appended, when none makes it short enough.
    private static func write(_ entry: TLSPolicyEntry, dialect: Dialect, into buffer: inout ByteBuffer) -> Dialect? {
        // Quoting adds to it only, so what is too long unquoted need not be written at all.
        guard let (dialect, length) = entry.fitting(maximumLine - status.utf8CodeUnitCount, in: dialect) else {
            return nil
        }
        var text = ByteBuffer()
        text.reserveCapacity(length)
        entry.write(in: dialect, into: &text)
        let start = buffer.writerIndex
        buffer.writeStaticString(status)
        text.withUnsafeReadableBytes { quote($0, into: &buffer) }
        guard buffer.writerIndex - start <= maximumLine else {
            buffer.moveWriterIndex(to: start)
            return dialect.shorter.flatMap { write(entry, dialect: $0, into: &buffer) }
        }
        buffer.writeStaticString("\n")
        return dialect
    }

    private static let status: StaticString = "200 "

    /// Plain octets are copied run by run; there are few others.
    private static func quote(_ text: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        var rest = text[...]
        while !rest.isEmpty {
            let end = rest.firstIndex { !(0x21...0x7e).contains($0) || $0 == UInt8(ascii: "%") } ?? rest.endIndex
            buffer.writeBytes(UnsafeRawBufferPointer(rebasing: rest[..<end]))
            rest = rest[end...]
            guard let octet = rest.popFirst() else { return }
            buffer.writeStaticString("%")
            buffer.writeInteger(UInt8.hexDigit(octet >> 4))
            buffer.writeInteger(UInt8.hexDigit(octet & 0x0f))
        }
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

    fileprivate static func hexDigit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "A") + nibble - 10
    }
}
