import Testing

@testable import SQLiteArchive

@Suite struct FreeSpaceTests {
    /// Some FUSE file systems report 2^64 - 1 blocks (statvfs(3)).
    @Test(
        arguments: [
            (0, 4_096, 0), (10, 4_096, 40_960), (.max, 4_096, .max), (.max, 1, .max), (1 << 52, 4_096, .max),
            ((1 << 52) - 1, 4_096, .max - 4_095),
        ] as [(UInt64, UInt64, UInt64)])
    func `more octets than fit into the number are the largest number`(blocks: UInt64, size: UInt64, octets: UInt64) {
        #expect(ArchiveFiles.octets(blocks: blocks, blockSize: size) == octets)
    }
}
