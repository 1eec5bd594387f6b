import Hummingbird
import NIOCore
import PolicyService
import ServiceLifecycle

/// The whole list as JSON lines, page by page: the next page is looked for when the peer has taken the one before, so
/// that a million domains are never in memory at once.
struct EntryStream: Sendable {
    let pages: @Sendable (EntryQuery) async -> EntryPage

    /// Entries of one page: some 100 KB.
    static let pageSize = 500

    /// The daemon stops: the list ends early, and the peer can tell, for its last chunk is missing.
    struct Interrupted: Error {}

    func body(_ query: EntryQuery) -> ResponseBody {
        ResponseBody { writer in
            var query = query
            query.limit = Self.pageSize
            repeat {
                let page = await pages(query)
                var buffer = ByteBuffer()
                for entry in page.entries {
                    buffer.writeImmutableBuffer(try AdminJSON.octets(EntryLine(entry)))
                    buffer.writeInteger(UInt8(ascii: "\n"))
                }
                guard !Task.isShuttingDownGracefully else { throw Interrupted() }
                try await writer.write(buffer)
                query.after = page.next
            } while query.after != nil
            try await writer.finish(nil)
        }
    }
}
