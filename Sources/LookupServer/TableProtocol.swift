import NIOCore
import PostfixTable

/// A protocol by which Postfix asks tables: how requests are cut from the stream, how replies are written.
package enum TableProtocol: String, Sendable {
    /// socketmap_table(5).
    case socketmap
    /// tcp_table(5).
    case tcpTable = "tcp_table"

    func encode(_ reply: TableReply, dialect: Dialect, into buffer: inout ByteBuffer) -> ReplyFit {
        switch self {
        case .socketmap: SocketmapReplyEncoder.encode(reply, dialect: dialect, into: &buffer)
        case .tcpTable: TCPTableReplyEncoder.encode(reply, dialect: dialect, into: &buffer)
        }
    }
}

/// The decoder of either protocol, so that a connection is one type.
struct TableDecoder: NIOSingleStepByteToMessageDecoder {
    typealias InboundOut = TableRequest

    private let table: TableProtocol
    private var socketmap = SocketmapDecoder()
    private var tcpTable = TCPTableDecoder()

    init(_ table: TableProtocol) {
        self.table = table
    }

    mutating func decode(buffer: inout ByteBuffer) throws -> TableRequest? {
        switch table {
        case .socketmap: try socketmap.decode(buffer: &buffer)
        case .tcpTable: try tcpTable.decode(buffer: &buffer)
        }
    }

    mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> TableRequest? {
        try decode(buffer: &buffer)
    }
}
