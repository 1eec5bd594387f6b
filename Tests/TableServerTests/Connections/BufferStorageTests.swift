import TableServer
import NIOCore
import Testing

@Suite struct BufferStorageTests {
    private func address(of buffer: ByteBuffer) -> UnsafeRawPointer? {
        buffer.withVeryUnsafeBytes(\.baseAddress)
    }

    @Test func `the memory of a released buffer is used again`() {
        var storage = BufferStorage(maximumCapacity: 1_024)
        var first = storage.take()
        first.writeString("first")
        let memory = address(of: first)
        storage.give(first)
        first = ByteBuffer()
        var second = storage.take()
        #expect(second.readableBytes == 0)
        second.writeString("second")
        #expect(address(of: second) == memory)
    }

    @Test func `octets that a channel still holds do not change`() {
        var storage = BufferStorage(maximumCapacity: 1_024)
        var held = storage.take()
        held.writeString("held")
        storage.give(held)
        var next = storage.take()
        next.writeString("next")
        #expect(String(buffer: held) == "held")
        #expect(String(buffer: next) == "next")
    }

    @Test func `a buffer that is taken within a write is a new one`() {
        var storage = BufferStorage(maximumCapacity: 1_024)
        storage.give(ByteBuffer(string: "written"))
        var outer = storage.take()
        outer.writeString("outer")
        var inner = storage.take()
        inner.writeString("inner")
        #expect(String(buffer: outer) == "outer")
        #expect(String(buffer: inner) == "inner")
    }

    @Test func `the memory of a long buffer is released`() {
        var storage = BufferStorage(maximumCapacity: 1_024)
        storage.give(ByteBuffer(repeating: 0, count: 2_000))
        #expect(storage.take().capacity < 1_024)
    }
}
