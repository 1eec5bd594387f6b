import Hummingbird
import NIOCore
import PolicyService
import ServiceLifecycle

/// The whole list as JSON lines, part by part: the next part is looked for when the peer has taken the one before, so
/// that a million domains are never in memory at once.
struct EntryStream<Parts: AsyncSequence & Sendable>: Sendable where Parts.Element == [EntryReport] {
    let parts: Parts

    /// The daemon stops: the list ends early, and the peer can tell, for its last chunk is missing.
    struct Interrupted: Error {}

    var body: ResponseBody {
        ResponseBody { writer in
            for try await part in parts {
                var buffer = ByteBuffer()
                for entry in part {
                    buffer.writeImmutableBuffer(try AdminJSON.octets(EntryLine(entry)))
                    buffer.writeInteger(UInt8(ascii: "\n"))
                }
                guard !Task.isShuttingDownGracefully else { throw Interrupted() }
                try await writer.write(buffer)
            }
            try await writer.finish(nil)
        }
    }
}
