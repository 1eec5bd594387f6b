import NIOCore

/// Cuts a stream of octets into its lines, without their line feeds.
struct LineCutter {
    private var rest = ByteBuffer()

    /// Nothing is left of an unfinished line.
    var isEmpty: Bool { rest.readableBytes == 0 }

    mutating func cut(_ buffer: ByteBuffer) -> [ByteBuffer] {
        rest.writeImmutableBuffer(buffer)
        var lines: [ByteBuffer] = []
        while let end = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")),
            let line = rest.readSlice(length: end - rest.readerIndex)
        {
            rest.moveReaderIndex(forwardBy: 1)
            lines.append(line)
        }
        rest.discardReadBytes()
        return lines
    }
}
