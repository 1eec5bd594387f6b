import NIOCore
import PostfixTable

/// A protocol of Postfix's table clients.
package enum TableProtocol: String, Sendable {
    /// socketmap_table(5).
    case socketmap
    /// tcp_table(5).
    case tcpTable = "tcp_table"

    func encode(_ reply: TableReply, dialect: Dialect, into buffer: inout ByteBuffer) -> FitResult {
        switch self {
        case .socketmap: SocketmapReplyEncoder.encode(reply, dialect: dialect, into: &buffer)
        case .tcpTable: TCPTableReplyEncoder.encode(reply, dialect: dialect, into: &buffer)
        }
    }
}

/// The decoder of both protocols, so that a connection is one type.
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
