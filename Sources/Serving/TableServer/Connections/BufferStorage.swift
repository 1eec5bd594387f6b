import NIOCore

/// The memory of the last written buffer, so that a connection allocates none for each short reply.
///
/// If a channel still holds the octets, `ByteBuffer` copies them on the first change. So octets that the channel has not
/// written yet never change.
package struct BufferStorage {
    private var spare: ByteBuffer?
    /// Octets. The memory of a longer buffer is released at once.
    private let maximumCapacity: Int

    package init(maximumCapacity: Int) {
        self.maximumCapacity = maximumCapacity
    }

    /// An empty buffer. It belongs to the caller.
    package mutating func take() -> ByteBuffer {
        guard var buffer = spare.take() else { return ByteBuffer() }
        buffer.clear()
        return buffer
    }

    package mutating func give(_ buffer: ByteBuffer) {
        spare = buffer.capacity <= maximumCapacity ? buffer : nil
    }
}
