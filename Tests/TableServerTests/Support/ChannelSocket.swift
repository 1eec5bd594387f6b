import NIOCore
import TableServer

/// Runs a `TableConnection` on a channel of NIO, so that a test needs no socket, sets the time, and lets the channel call back
/// from within any call.
///
/// Concurrency: lives on the channel's event loop.
final class ChannelSocket: ChannelDuplexHandler, ConnectionSocket {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let makeConnection: (ChannelSocket, any ConnectionQueue) -> TableConnection
    private var connection: TableConnection?
    private var context: ChannelHandlerContext?
    private var timers: [Scheduled<Void>] = []

    init(_ makeConnection: @escaping (ChannelSocket, any ConnectionQueue) -> TableConnection) {
        self.makeConnection = makeConnection
    }

    private struct Queue: ConnectionQueue {
        let channel: any Channel

        func post(_ message: ConnectionMessage) {
            channel.eventLoop.execute { channel.pipeline.fireUserInboundEventTriggered(message) }
        }
    }

    // MARK: Events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        connection = makeConnection(self, Queue(channel: context.channel))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { connection?.received(unwrapInboundIn(data)) }

    func channelReadComplete(context: ChannelHandlerContext) { connection?.readCompleted() }

    func channelWritabilityChanged(context: ChannelHandlerContext) { connection?.writabilityChanged() }

    func read(context: ChannelHandlerContext) { connection?.readRequested() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let message as ConnectionMessage: connection?.receive(message)
        case ChannelEvent.inputClosed: connection?.inputClosed()
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { connection?.failed(reason: "\(error)") }

    func channelInactive(context: ChannelHandlerContext) {
        for timer in timers { timer.cancel() }
        let last = connection
        (connection, self.context) = (nil, nil)
        last?.becameInactive()
        context.fireChannelInactive()
    }

    // MARK: ConnectionSocket

    var isWritable: Bool { context?.channel.isWritable ?? false }

    var now: NIODeadline { context?.eventLoop.now ?? .now() }

    func read() { context?.read() }

    func write(_ octets: ByteBuffer) { context?.writeAndFlush(wrapOutboundOut(octets), promise: nil) }

    func awaitFlush() {
        // The promise of an empty write succeeds after the octets before it are sent.
        context?.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
            self.connection?.flushed()
        }
    }

    func setTimer(_ timer: ConnectionTimer, at deadline: NIODeadline) {
        guard let context else { return }
        let socket = NIOLoopBound(self, eventLoop: context.eventLoop)
        timers.append(
            context.eventLoop.scheduleTask(deadline: deadline) { socket.value.connection?.timerExpired(timer) })
    }

    func closeOutput() { context?.close(mode: .output, promise: nil) }

    func close() { context?.close(promise: nil) }
}
