import PolicyRuntime
import TestSupport
import TextFormats

@testable import PolicyTransfer

struct ImportResult {
    var summary = ImportSummary()
    var error: ImportError?
    var refusedLines: [RefusedLine] = []
}

/// - Parameter chunkSize: the number of octets that the import reads at once.
func runImport(
    of octets: [UInt8], into store: MemoryPolicyStore, at time: WallTime = now, chunkSize: Int = 65_536
) async -> ImportResult {
    var rest = octets[...]
    return await runImport(into: store, at: time) {
        guard !rest.isEmpty else { return nil }
        defer { rest = rest.dropFirst(chunkSize) }
        return Array(rest.prefix(chunkSize))
    }
}

func runImport(
    into store: any PolicyStore, at time: WallTime = now,
    from nextChunk: nonisolated(nonsending) () async throws -> [UInt8]?
) async -> ImportResult {
    var result = ImportResult()
    do throws(IncompleteImportError) {
        result.summary = try await PolicyImport(into: store, now: time).run(from: nextChunk) {
            result.refusedLines.append($0)
        }
    } catch {
        result.error = error.cause
        result.summary = error.summary
    }
    return result
}
