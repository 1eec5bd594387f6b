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
        let request = try buffer.withUnsafeReadableBytes { octets in
            try frame(at: octets).map { ($0.length, TableRequest(dialect: $0.dialect, key: Array(octets[$0.key]))) }
        }
        guard let (length, request) = request else { return nil }
        buffer.moveReaderIndex(forwardBy: length)
        return request
    }

    package mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> TableRequest? {
        try decode(buffer: &buffer)
    }

    /// The request at the start of `octets`; `nil` if it is not complete yet.
    package func frame(at octets: UnsafeRawBufferPointer) throws(MalformedRequestError) -> RequestFrame? {
        guard let header = try header(of: octets) else { return nil }
        let end = header.octets + header.length
        // One octet more than the payload: the comma.
        guard octets.count > end else { return nil }
        guard octets[end] == UInt8(ascii: ",") else { throw .frame("a netstring ends with a comma") }
        guard let blank = octets[header.octets..<end].firstIndex(of: UInt8(ascii: " ")) else {
            throw .frame("the map's name, a space and the key")
        }
        return RequestFrame(
            dialect: Dialect(mapName: UnsafeRawBufferPointer(rebasing: octets[header.octets..<blank])),
            key: blank + 1..<end, length: end + 1)
    }

    /// The value of the length field, and its octets with the colon; `nil` if it is not complete yet.
    private func header(
        of octets: UnsafeRawBufferPointer
    ) throws(MalformedRequestError) -> (length: Int, octets: Int)? {
        var length = 0
        for index in 0..<min(octets.count, Self.maximumHeader) {
            let octet = octets[index]
            if octet == UInt8(ascii: ":"), index > 0 { return (length, index + 1) }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet) else {
                throw .frame("a netstring begins with its length and a colon")
            }
            length = length * 10 + Int(octet - UInt8(ascii: "0"))
            guard length <= limit else { throw .tooLong(limit: limit) }
        }
        guard octets.count < Self.maximumHeader else {
            throw .frame("a netstring begins with its length and a colon")
        }
        return nil
    }

    /// Octets of the longest length field with its colon. Leading zeros are legal, but not an endless row of them.
    private static let maximumHeader = 12
}
