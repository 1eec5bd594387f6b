import NIOCore

/// Memory of the last written buffer, so that a connection allocates none for each short reply.
///
/// A buffer that is taken is empty. A buffer whose octets somebody else still holds is copied on its first change, as
/// every `ByteBuffer` is: the octets that a channel has not written yet stay as they are.
package struct BufferStorage {
    private var spare: ByteBuffer?
    /// Octets. The memory of a longer buffer is not kept for the life of the connection.
    private let maximumCapacity: Int

    package init(maximumCapacity: Int) {
        self.maximumCapacity = maximumCapacity
    }

    /// An empty buffer, which belongs to the caller alone.
    package mutating func take() -> ByteBuffer {
        guard var buffer = spare.take() else { return ByteBuffer() }
        buffer.clear()
        return buffer
    }

    package mutating func give(_ buffer: ByteBuffer) {
        spare = buffer.capacity <= maximumCapacity ? buffer : nil
    }
}
