import NIOCore

/// Cuts a byte stream into socketmap requests.
///
/// Protocol: socketmap_table(5): a netstring `LENGTH:NAME SPACE KEY,` a request.
/// Concurrency: a value; belongs to one connection.
/// Fails by: throwing `MalformedRequest`; after that the stream cannot be read on.
/// Not here: what a key means (NextHop), replies (SocketmapReplyEncoder).
package struct SocketmapDecoder: NIOSingleStepByteToMessageDecoder {
    package typealias InboundOut = TableRequest

    /// The longest payload in octets, the map's name included.
    private let limit: Int

    package init(limit: Int = maximumRequest) {
        self.limit = limit
    }

    package mutating func decode(buffer: inout ByteBuffer) throws -> TableRequest? {
        guard let header = try readHeader(of: buffer) else { return nil }
        // One octet more than the payload: the comma.
        guard buffer.readableBytes > header.octets + header.length else { return nil }
        buffer.moveReaderIndex(forwardBy: header.octets)
        guard let payload = buffer.readSlice(length: header.length)?.readableBytesView,
            buffer.readInteger(as: UInt8.self) == UInt8(ascii: ",")
        else { throw MalformedRequest.frame("a netstring ends with a comma") }
        guard let blank = payload.firstIndex(of: UInt8(ascii: " ")) else {
            throw MalformedRequest.frame("the map's name, a space and the key")
        }
        return TableRequest(
            dialect: Dialect(mapName: payload[..<blank]), key: Array(payload[payload.index(after: blank)...]))
    }

    package mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> TableRequest? {
        try decode(buffer: &buffer)
    }

    /// The length field and how many octets it takes with its colon; `nil` while it is not complete.
    private func readHeader(of buffer: ByteBuffer) throws(MalformedRequest) -> (length: Int, octets: Int)? {
        var length = 0
        for (index, octet) in buffer.readableBytesView.prefix(Self.maximumHeader).enumerated() {
            if octet == UInt8(ascii: ":"), index > 0 { return (length, index + 1) }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet) else {
                throw .frame("a netstring begins with its length and a colon")
            }
            length = length * 10 + Int(octet - UInt8(ascii: "0"))
            guard length <= limit else { throw .tooLong(limit: limit) }
        }
        guard buffer.readableBytes < Self.maximumHeader else {
            throw .frame("a netstring begins with its length and a colon")
        }
        return nil
    }

    /// Octets of the longest length field with its colon. Leading zeros are legal; a peer that sends nothing but
    /// zeros is not waited for.
    private static let maximumHeader = 12
}

/// Writes replies as socketmap_table(5) wants them.
package enum SocketmapReplyEncoder {
    /// The longest payload in octets, `OK ` included, that Postfix takes (fixed until 3.9, the default of
    /// `socketmap_max_reply_size` since).
    private static let maximumPayload = 100_000

    /// Appends `reply` to `buffer`. One that is too long for Postfix is said in a shorter dialect, or else becomes a
    /// temporary error that says so.
    @discardableResult
    package static func encode(_ reply: TableReply, dialect: Dialect, into buffer: inout ByteBuffer) -> ReplyFit {
        switch reply {
        case .notFound:
            buffer.writeStaticString("9:NOTFOUND ,")
        case .entry(let entry):
            guard let (said, length) = entry.fitting(maximumPayload - 3, in: dialect) else {
                encode(.temporary(entry.tooLong(limit: maximumPayload)), dialect: dialect, into: &buffer)
                return .tooLong
            }
            buffer.writeDecimal(3 + length)
            buffer.writeStaticString(":OK ")
            entry.write(in: said, into: &buffer)
            buffer.writeStaticString(",")
            return said == dialect ? .whole : .shortened
        case .temporary(let reason):
            writeError("TEMP ", reason, into: &buffer)
        case .refused(let reason):
            // Postfix defers on PERM too; the word tells the two apart in its log.
            writeError("PERM ", reason, into: &buffer)
        }
        return .whole
    }

    private static func writeError(_ word: StaticString, _ reason: Reason, into buffer: inout ByteBuffer) {
        buffer.writeDecimal(word.utf8CodeUnitCount + reason.text.utf8.count)
        buffer.writeStaticString(":")
        buffer.writeStaticString(word)
        buffer.writeString(reason.text)
        buffer.writeStaticString(",")
    }
}

extension ByteBuffer {
    /// Appends a number that is not negative in decimal digits, without an intermediate string.
    mutating func writeDecimal(_ number: Int) {
        var divisor = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            writeInteger(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }
}
