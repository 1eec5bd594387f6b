import NIOCore

/// Writes replies.
///
/// Protocol: tcp_table(5): a status, a space, a quoted text, LF.
package enum TCPTableReplyEncoder {
    /// The longest line in octets, quoted and without its LF, that Postfix takes. For a longer one it retries for ten
    /// seconds and then defers the mail.
    package static let maximumLine = 4_095

    /// Appends `reply` to `buffer`. A reply that is too long for Postfix is written in a shorter dialect, or else becomes a
    /// temporary error with that reason.
    @discardableResult
    package static func encode(_ reply: TableReply, dialect: Dialect, into buffer: inout ByteBuffer) -> FitResult {
        switch reply {
        case .notFound:
            buffer.writeStaticString("500 NOTFOUND\n")
        case .entry(let entry):
            guard let written = write(entry, dialect: dialect, into: &buffer) else {
                encode(.temporary(entry.tooLong(limit: maximumLine)), dialect: dialect, into: &buffer)
                return .tooLong
            }
            return written == dialect ? .whole : .shortened
        case .temporary(let reason), .refused(let reason):
            // 5xx would mean "not found" and let mail go without its policy.
            buffer.writeStaticString("400 ")
            Array(reason.text.utf8).withUnsafeBytes { quote($0, into: &buffer) }
            buffer.writeStaticString("\n")
        }
        return .whole
    }

    /// - Returns: the dialect of the text; `nil`, and nothing is appended, if it is too long in every dialect.
    private static func write(_ entry: TLSPolicyEntry, dialect: Dialect, into buffer: inout ByteBuffer) -> Dialect? {
        // Quoting only adds octets, so an entry that is too long unquoted is not written at all.
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

    /// Copies plain octets run by run; the others are few.
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
    fileprivate static func hexDigit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "A") + nibble - 10
    }
}
