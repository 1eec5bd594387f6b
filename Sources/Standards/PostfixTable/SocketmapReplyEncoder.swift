import NIOCore

/// Writes replies.
///
/// Protocol: socketmap_table(5).
package enum SocketmapReplyEncoder {
    /// The longest payload in octets, `OK ` included, that Postfix takes (fixed until 3.9, the default of
    /// `socketmap_max_reply_size` since).
    private static let maximumPayload = 100_000

    /// Appends `reply` to `buffer`. A reply that is too long for Postfix is written in a shorter dialect, or else becomes a
    /// temporary error with that reason.
    @discardableResult
    package static func encode(_ reply: TableReply, dialect: Dialect, into buffer: inout ByteBuffer) -> FitResult {
        switch reply {
        case .notFound:
            buffer.writeStaticString("9:NOTFOUND ,")
        case .entry(let entry):
            guard let (shorter, length) = entry.fitting(maximumPayload - 3, in: dialect) else {
                encode(.temporary(entry.tooLong(limit: maximumPayload)), dialect: dialect, into: &buffer)
                return .tooLong
            }
            buffer.writeDecimal(3 + length)
            buffer.writeStaticString(":OK ")
            entry.write(in: shorter, into: &buffer)
            buffer.writeStaticString(",")
            return shorter == dialect ? .whole : .shortened
        case .temporary(let reason):
            writeError("TEMP ", reason: reason, into: &buffer)
        case .refused(let reason):
            // Postfix defers mail on PERM too; its log shows which of the two it was.
            writeError("PERM ", reason: reason, into: &buffer)
        }
        return .whole
    }

    private static func writeError(_ status: StaticString, reason: TemporaryReason, into buffer: inout ByteBuffer) {
        buffer.writeDecimal(status.utf8CodeUnitCount + reason.text.utf8.count)
        buffer.writeStaticString(":")
        buffer.writeStaticString(status)
        buffer.writeString(reason.text)
        buffer.writeStaticString(",")
    }
}

extension ByteBuffer {
    /// Appends decimal digits without an intermediate string.
    ///
    /// - Parameter number: not negative.
    mutating func writeDecimal(_ number: Int) {
        var divisor = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            writeInteger(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }
}
