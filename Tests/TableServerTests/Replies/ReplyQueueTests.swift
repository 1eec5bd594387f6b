import TableServer
import Testing

@Suite struct ReplyQueueTests {
    @Test func `replies leave in the order of their requests, whatever order they become known in`() {
        var queue = ReplyQueue<Int>()
        let tickets = (0..<5).map { _ in queue.open() }
        queue.fulfil(tickets[2], with: 2)
        queue.fulfil(tickets[1], with: 1)
        #expect(queue.next() == nil)
        queue.fulfil(tickets[0], with: 0)
        #expect([queue.next(), queue.next(), queue.next(), queue.next()] == [0, 1, 2, nil])
        #expect(queue.count == 2)
        queue.fulfil(tickets[4], with: 4)
        #expect(queue.next() == nil)
        queue.fulfil(tickets[3], with: 3)
        #expect([queue.next(), queue.next(), queue.next()] == [3, 4, nil])
        #expect(queue.isEmpty)
    }

    @Test func `a second reply to a request is ignored, even after the first was taken`() {
        var queue = ReplyQueue<Int>()
        let first = queue.open()
        queue.fulfil(first, with: 1)
        queue.fulfil(first, with: 2)
        #expect(queue.next() == 1)
        let second = queue.open()
        queue.fulfil(first, with: 3)
        #expect(queue.next() == nil)
        queue.fulfil(second, with: 4)
        #expect(queue.next() == 4)
    }
}
