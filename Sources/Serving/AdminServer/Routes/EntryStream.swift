import AdminAPI
import Hummingbird
import NIOCore
import PolicyCaching
import ServiceLifecycle

/// The whole list as JSON lines.
///
/// Limits: one page in memory: the next page is read only after the peer has taken the one before. So a list of a million
/// domains takes no more memory than a short one.
/// Errors: `InterruptedError` when the daemon stops. The last chunk is then missing, which the peer detects.
struct EntryStream<Pages: AsyncSequence & Sendable>: Sendable where Pages.Element == [EntryReport] {
    let pages: Pages

    struct InterruptedError: Error {}

    var body: ResponseBody {
        ResponseBody { writer in
            for try await page in pages {
                var buffer = ByteBuffer()
                for entry in page {
                    buffer.writeImmutableBuffer(try AdminJSON.buffer(EntrySummary(entry)))
                    buffer.writeInteger(UInt8(ascii: "\n"))
                }
                guard !Task.isShuttingDownGracefully else { throw InterruptedError() }
                try await writer.write(buffer)
            }
            try await writer.finish(nil)
        }
    }
}
