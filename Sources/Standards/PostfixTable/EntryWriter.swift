import NIOCore

/// Takes the text of an entry piece by piece. The same function counts the length of a netstring and writes its payload,
/// so that the two cannot differ.
protocol EntryWriter {
    mutating func put(_ text: StaticString)
    mutating func put(_ text: String)
    mutating func put(_ octets: Slice<UnsafeBufferPointer<UInt8>>)
}

/// Counts octets and stores none.
struct EntryLength: EntryWriter {
    private(set) var octets = 0

    mutating func put(_ text: StaticString) { octets += text.utf8CodeUnitCount }
    mutating func put(_ text: String) { octets += text.utf8.count }
    mutating func put(_ text: Slice<UnsafeBufferPointer<UInt8>>) { octets += text.count }
}

extension ByteBuffer: EntryWriter {
    mutating func put(_ text: StaticString) { writeStaticString(text) }
    mutating func put(_ text: String) { writeString(text) }
    mutating func put(_ octets: Slice<UnsafeBufferPointer<UInt8>>) {
        writeBytes(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: octets)))
    }
}
