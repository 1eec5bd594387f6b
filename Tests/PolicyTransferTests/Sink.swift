import Synchronization
import TestSupport
import TextFormats

@testable import PolicyTransfer

/// Collects the lines of an export and fails after `limit` lines.
final class Sink: Sendable {
    struct BrokenPipeError: Error, CustomStringConvertible {
        let description = "Broken pipe\n"
    }

    private let state = Mutex((octets: [UInt8](), calls: 0))
    private let limit: Int

    init(breaksAfter limit: Int = .max) {
        self.limit = limit
    }

    @Sendable func write(_ line: [UInt8]) throws {
        try state.withLock { state in
            state.calls += 1
            guard state.calls <= limit else { throw BrokenPipeError() }
            state.octets += line
        }
    }

    var octets: [UInt8] { state.withLock(\.octets) }
    var calls: Int { state.withLock(\.calls) }
    var lines: [String] { String(decoding: octets, as: UTF8.self).split(separator: "\n").map(String.init) }
}

func runExport(of store: MemoryPolicyStore, at time: WallTime = now) async throws -> (
    sink: Sink, summary: ExportSummary
) {
    let sink = Sink()
    return (sink, try await PolicyExport(store, now: time).run(to: sink.write))
}
