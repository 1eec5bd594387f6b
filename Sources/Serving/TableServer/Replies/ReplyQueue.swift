import NIOCore

/// Returns replies in the order of their requests, whatever the order in which they become known.
///
/// A request opens a ticket, its reply fulfils the ticket, and `next` returns the replies that may be written.
package struct ReplyQueue<Reply> {
    private var replies = CircularBuffer<Reply?>()
    /// The number of the oldest open ticket.
    private var first = 0

    package init() {}

    /// The number of requests whose reply is not taken yet.
    package var count: Int { replies.count }
    package var isEmpty: Bool { replies.isEmpty }

    package mutating func open() -> ReplyTicket {
        replies.append(nil)
        return ReplyTicket(number: first + replies.count - 1)
    }

    /// Sets the reply to a request. A second reply to the same request is ignored.
    package mutating func fulfil(_ ticket: ReplyTicket, with reply: Reply) {
        let offset = ticket.number - first
        guard offset >= 0, offset < replies.count else { return }
        let index = replies.index(replies.startIndex, offsetBy: offset)
        if replies[index] == nil { replies[index] = reply }
    }

    /// Whether `next` returns a reply.
    package var isNextKnown: Bool { replies.first.flatMap(\.self) != nil }

    /// The next reply in order, if it is known.
    package mutating func next() -> Reply? {
        guard let head = replies.first, let reply = head else { return nil }
        replies.removeFirst()
        first += 1
        return reply
    }
}

/// Names one request of a connection.
package struct ReplyTicket: Hashable, Sendable {
    fileprivate let number: Int
}
