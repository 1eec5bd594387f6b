import NIOCore
import PolicyRuntime
import PostfixTable

/// Answers the requests at the start of a read for which there is a ready reply.
///
/// Most lookups of a mail server repeat an earlier one. They need neither the decoder's copy of the key nor the order of the
/// reply queue, because nothing else is pending on the connection when the writer runs.
/// Concurrency: a value; belongs to one connection.
/// Limits: stops when the replies have 65,536 octets.
/// Not here: requests without a ready reply, malformed and unfinished ones: they stay in the input.
struct ReadyReplyWriter {
    private let table: TableProtocol
    private let service: PolicyService
    private let shared: ConnectionContext
    private let socketmap = SocketmapDecoder()
    private let tcpTable = TCPTableDecoder()

    private static let fullAt = 65_536

    init(_ table: TableProtocol, service: PolicyService, shared: ConnectionContext) {
        self.table = table
        self.service = service
        self.shared = shared
    }

    /// Removes the requests from `input` and adds their replies to `output`.
    ///
    /// - Parameter dialect: of requests that choose none.
    func answer(_ input: inout ByteBuffer, dialect: Dialect, into output: inout ByteBuffer) {
        let now = NIODeadline.now()
        let wallTime = service.now()
        let answered = input.withUnsafeReadableBytes { octets in
            var position = 0
            shared.withReadyReplies { replies in
                while output.readableBytes < Self.fullAt {
                    let rest = UnsafeRawBufferPointer(rebasing: octets[position...])
                    guard let frame = frame(at: rest) else { return }
                    let form = ReplyForm(table: table, dialect: frame.dialect ?? dialect)
                    let key = UnsafeRawBufferPointer(rebasing: rest[frame.key])
                    guard let reply = replies.reply(to: key, in: form),
                        service.repeats(reply.hit, rule: reply.rule, reply: reply.kind.rawValue, at: wallTime)
                    else { return }
                    if let dialect = frame.dialect { shared.noteChosen(dialect) }
                    reply.write(to: &output)
                    shared.metrics.count(
                        reply.kind, table: table, rule: reply.rule, deferral: nil,
                        nanoseconds: (NIODeadline.now() - now).nanoseconds)
                    position += frame.length
                }
            }
            return position
        }
        input.moveReaderIndex(forwardBy: answered)
    }

    /// `nil`: no complete request, or one that only the decoder understands.
    private func frame(at octets: UnsafeRawBufferPointer) -> RequestFrame? {
        switch table {
        case .socketmap: try? socketmap.frame(at: octets)
        case .tcpTable: try? tcpTable.plainFrame(at: octets)
        }
    }
}
