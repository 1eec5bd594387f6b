import Glibc

/// The cache file and its directory.
package struct CacheFileStatus: Equatable, Sendable {
    package let path: String
    package var directory: FileLookup
    /// The database and SQLite's files beside it, if they exist.
    package var files: [(path: String, look: FileLookup)]
    /// Octets that an ordinary user may use; `nil`: unknown.
    package var freeSpace: UInt64?

    package init(path: String, directory: FileLookup, files: [(path: String, look: FileLookup)], freeSpace: UInt64?) {
        self.path = path
        self.directory = directory
        self.files = files
        self.freeSpace = freeSpace
    }

    package static func == (one: CacheFileStatus, other: CacheFileStatus) -> Bool {
        one.path == other.path && one.directory == other.directory && one.freeSpace == other.freeSpace
            && one.files.map(\.path) == other.files.map(\.path) && one.files.map(\.look) == other.files.map(\.look)
    }

    static func at(_ path: String) -> CacheFileStatus {
        let directory = directory(of: path)
        var space = statvfs()
        let isKnown = statvfs(directory, &space) == 0
        return CacheFileStatus(
            path: path, directory: FileLookup.at(directory),
            files: ["", "-wal", "-shm"].map { (path + $0, FileLookup.at(path + $0)) }.filter { $0.look != .missing },
            freeSpace: isKnown ? Self.octets(blocks: UInt64(space.f_bavail), blockSize: UInt64(space.f_frsize)) : nil)
    }

    /// The product, at most `UInt64.max`: some network file systems report 2^64 - 1 blocks.
    static func octets(blocks: UInt64, blockSize: UInt64) -> UInt64 {
        let (product, isTooLarge) = blocks.multipliedReportingOverflow(by: blockSize)
        return isTooLarge ? .max : product
    }

    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }
}
