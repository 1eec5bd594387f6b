import Glibc

/// The cache file and what it lies in.
package struct CacheFacts: Equatable, Sendable {
    package let path: String
    package var directory: FileLook
    /// The database, and what SQLite keeps beside it; those that are there.
    package var files: [(path: String, look: FileLook)]
    /// Octets for an ordinary user; `nil`: not known.
    package var freeSpace: UInt64?

    package init(path: String, directory: FileLook, files: [(path: String, look: FileLook)], freeSpace: UInt64?) {
        self.path = path
        self.directory = directory
        self.files = files
        self.freeSpace = freeSpace
    }

    package static func == (one: CacheFacts, other: CacheFacts) -> Bool {
        one.path == other.path && one.directory == other.directory && one.freeSpace == other.freeSpace
            && one.files.map(\.path) == other.files.map(\.path) && one.files.map(\.look) == other.files.map(\.look)
    }

    static func at(_ path: String) -> CacheFacts {
        let directory = directory(of: path)
        var space = statvfs()
        let isKnown = statvfs(directory, &space) == 0
        return CacheFacts(
            path: path, directory: FileLook.at(directory),
            files: ["", "-wal", "-shm"].map { (path + $0, FileLook.at(path + $0)) }.filter { $0.look != .missing },
            freeSpace: isKnown ? Self.octets(blocks: UInt64(space.f_bavail), blockSize: UInt64(space.f_frsize)) : nil)
    }

    /// The largest number where the product is larger: some file systems over the network report 2^64 - 1 blocks.
    static func octets(blocks: UInt64, blockSize: UInt64) -> UInt64 {
        let (product, isTooLarge) = blocks.multipliedReportingOverflow(by: blockSize)
        return isTooLarge ? .max : product
    }

    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }
}
