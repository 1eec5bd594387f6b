import NIOCore

/// Replies in the order of their requests, whatever the order in which they become known.
///
/// A pure value: a request opens a ticket, its reply closes it, `next()` hands out what may be written.
package struct ReplyQueue<Reply> {
    package struct Ticket: Hashable {
        fileprivate let number: Int
    }

    private var replies = CircularBuffer<Reply?>()
    /// The number of the oldest open ticket.
    private var first = 0

    package init() {}

    /// Requests that wait for their reply, or for a reply before theirs.
    package var count: Int { replies.count }
    package var isEmpty: Bool { replies.isEmpty }

    package mutating func open() -> Ticket {
        replies.append(nil)
        return Ticket(number: first + replies.count - 1)
    }

    /// The reply to a request; a second one to the same is ignored.
    package mutating func fulfil(_ ticket: Ticket, with reply: Reply) {
        let offset = ticket.number - first
        guard offset >= 0, offset < replies.count else { return }
        let place = replies.index(replies.startIndex, offsetBy: offset)
        if replies[place] == nil { replies[place] = reply }
    }

    /// The next reply in order, if it is known.
    package mutating func next() -> Reply? {
        guard let head = replies.first, let reply = head else { return nil }
        replies.removeFirst()
        first += 1
        return reply
    }
}
