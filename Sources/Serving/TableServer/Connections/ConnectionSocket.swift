import NIOCore
import PolicyCaching

/// The socket of a connection, as the connection uses it.
///
/// Concurrency: all calls on the socket's own thread, which also calls the connection. A call of the socket may call the
/// connection back before it returns.
package protocol ConnectionSocket: AnyObject {
    /// Whether all octets of earlier writes are sent. `false` after the socket is closed.
    var isWritable: Bool { get }
    var now: NIODeadline { get }
    /// Allows one read. `TableConnection.received` and `readCompleted` follow when octets arrive.
    func read()
    func write(_ octets: ByteBuffer)
    /// Calls `TableConnection.flushed` when all octets are sent, or cannot be sent.
    func awaitFlush()
    /// Calls `TableConnection.timerExpired` at this time, unless the socket is closed before.
    func setTimer(_ timer: ConnectionTimer, at deadline: NIODeadline)
    func closeOutput()
    /// Closes the socket. `TableConnection.becameInactive` follows.
    func close()
}

/// A timer of a connection. Nothing cancels a timer: the connection ignores one that it needs no more.
package enum ConnectionTimer: Sendable {
    case quietPeriod
    case closeDeadline
    case lookupDeadline(ReplyTicket)
}

/// A message from another thread to a connection.
package enum ConnectionMessage: Sendable {
    case lookupFinished(ReplyTicket, Decision)
    /// Answer pending requests, then close.
    case drain
    case close
}

/// Passes messages to one connection, on the thread of its socket. A closed connection receives none.
///
/// Concurrency: any thread.
package protocol ConnectionQueue: Sendable {
    func post(_ message: ConnectionMessage)
}
