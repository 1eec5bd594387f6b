import Testing

@testable import BridgeDaemon

@Suite struct LogQueueTests {
    private func line(_ text: String) -> [UInt8] { Array((text + "\n").utf8) }

    @Test func `lines leave in their order`() {
        var queue = LogQueue(maximumOctets: 100)
        #expect(queue.isEmpty)
        #expect(queue.append(line("one")) && queue.append(line("two")))
        #expect(!queue.isEmpty)
        #expect(queue.next() == .line(line("one")))
        #expect(queue.next() == .line(line("two")))
        #expect(queue.next() == nil)
    }

    @Test func `lines that do not fit are dropped, and their number precedes the next line that fits`() {
        var queue = LogQueue(maximumOctets: 8)
        #expect(queue.append(line("one")) && queue.append(line("two")))
        #expect(!queue.append(line("x")) && !queue.append(line("y")))
        #expect(queue.next() == .line(line("one")))
        #expect(queue.append(line("z")) == true)
        #expect(queue.next() == .line(line("two")))
        #expect(queue.next() == .dropped(2))
        #expect(queue.next() == .line(line("z")))
        #expect(queue.next() == nil)
    }

    @Test func `dropped lines are reported even if no other line follows`() {
        var queue = LogQueue(maximumOctets: 4)
        #expect(queue.append(line("one")) == true)
        #expect(queue.append(line("two")) == false)
        #expect(queue.next() == .line(line("one")))
        #expect(!queue.isEmpty)
        #expect(queue.next() == .dropped(1))
        #expect(queue.next() == nil && queue.isEmpty)
    }

    @Test func `a line that could not be written is reported as dropped`() {
        var queue = LogQueue()
        #expect(queue.append(line("one")) == true)
        #expect(queue.next() == .line(line("one")))
        queue.noteLost(1)
        #expect(queue.append(line("two")) == true)
        #expect(queue.next() == .dropped(1))
        #expect(queue.next() == .line(line("two")))
    }
}
