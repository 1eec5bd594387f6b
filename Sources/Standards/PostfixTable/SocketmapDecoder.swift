import NIOCore

/// Splits a byte stream into socketmap requests.
///
/// Protocol: socketmap_table(5): each request is a netstring `LENGTH:NAME SPACE KEY,`.
/// Concurrency: a value; belongs to one connection.
/// Limits: `maximumRequest` octets.
/// Errors: `MalformedRequestError`. After it the stream is out of step and cannot be decoded.
/// Not here: the meaning of a key (NextHop), replies (SocketmapReplyEncoder).
package struct SocketmapDecoder: NIOSingleStepByteToMessageDecoder {
    package typealias InboundOut = TableRequest

    /// The longest payload in octets, with the map name.
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
        else { throw MalformedRequestError.frame("a netstring ends with a comma") }
        guard let blank = payload.firstIndex(of: UInt8(ascii: " ")) else {
            throw MalformedRequestError.frame("the map's name, a space and the key")
        }
        return TableRequest(
            dialect: Dialect(mapName: payload[..<blank]), key: Array(payload[payload.index(after: blank)...]))
    }

    package mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> TableRequest? {
        try decode(buffer: &buffer)
    }

    /// The value of the length field, and its octets with the colon; `nil` if it is not complete yet.
    private func readHeader(of buffer: ByteBuffer) throws(MalformedRequestError) -> (length: Int, octets: Int)? {
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

    /// Octets of the longest length field with its colon. Leading zeros are legal, but not an endless row of them.
    private static let maximumHeader = 12
}
