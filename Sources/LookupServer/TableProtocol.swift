import NIOCore
import PostfixTable

/// A protocol by which Postfix asks tables: how requests are cut from the stream, how replies are written.
package protocol TableProtocol: Sendable {
    associatedtype Decoder: NIOSingleStepByteToMessageDecoder & Sendable where Decoder.InboundOut == TableRequest

    /// For the log.
    static var name: String { get }
    static func makeDecoder() -> Decoder
    static func encode(_ reply: TableReply, dialect: Dialect, into buffer: inout ByteBuffer)
}

/// socketmap_table(5).
package enum Socketmap: TableProtocol {
    package static let name = "socketmap"

    package static func makeDecoder() -> SocketmapDecoder { SocketmapDecoder() }

    package static func encode(_ reply: TableReply, dialect: Dialect, into buffer: inout ByteBuffer) {
        SocketmapReplyEncoder.encode(reply, dialect: dialect, into: &buffer)
    }
}

/// tcp_table(5).
package enum TCPTable: TableProtocol {
    package static let name = "tcp_table"

    package static func makeDecoder() -> TCPTableDecoder { TCPTableDecoder() }

    package static func encode(_ reply: TableReply, dialect: Dialect, into buffer: inout ByteBuffer) {
        TCPTableReplyEncoder.encode(reply, dialect: dialect, into: &buffer)
    }
}
