import Glibc
import PolicyService

/// Which file a name leads to. Numbers of an open file are not given to another one.
struct FileIdentity: Equatable, Sendable {
    private let device: dev_t
    private let inode: ino_t

    init(_ status: stat) {
        device = status.st_dev
        inode = status.st_ino
    }

    /// `nil`: there is no such file, or it cannot be reached.
    init?(of path: String) {
        guard let status = stat(of: path) else { return nil }
        self.init(status)
    }

    /// Of an open descriptor.
    init?(of descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }
}

/// The files of an archive: the database and what SQLite and we keep beside it.
///
/// Never opens a database file that exists: closing a second descriptor would drop the locks that SQLite holds on it in
/// this process (POSIX; sqlite.org/howtocorrupt.html §2.2).
/// Fails by: `ArchiveFailure`.
struct ArchiveFiles: Sendable {
    /// As configured, for messages.
    let name: String
    /// What is opened. Never taken for a URI or for one of SQLite's special names.
    let path: String

    init(_ name: String) {
        self.name = name
        path = name.hasPrefix("/") ? name : "./" + name
    }

    /// Beside the database itself: two names of one file have one lock.
    var lock: String { database + ".lock" }
    /// Of the one that waits for it.
    var heirLock: String { lock + ".heir" }

    /// Where the database is or is to be, with symbolic links followed, which is where SQLite keeps its other files.
    var database: String {
        guard let resolved = realpath(path, nil) else { return linked }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Where a link leads to, though nothing is there yet.
    private var linked: String {
        var octets = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &octets, octets.count)
        guard count > 0 else { return path }
        let target = String(decoding: octets.prefix(count), as: UTF8.self)
        guard !target.hasPrefix("/"), let slash = path.lastIndex(of: "/") else { return target }
        return path[...slash] + target
    }

    /// The database and what SQLite keeps beside it while it is open.
    struct Identities: Equatable, Sendable {
        let database: FileIdentity?
        let log: FileIdentity?
        let index: FileIdentity?

        /// No one of them was removed or replaced.
        var isComplete: Bool { database != nil && log != nil && index != nil }
    }

    func identities() -> Identities {
        let place = database
        return Identities(
            database: FileIdentity(of: path), log: FileIdentity(of: place + "-wal"),
            index: FileIdentity(of: place + "-shm"))
    }

    /// Removes the log of a database that was itself removed or replaced: another one under its name would be taken for
    /// the one it belongs to, and changed into nothing that ever was.
    func removeLog(of old: Identities) {
        let now = identities()
        guard now.database != old.database else { return }
        let place = database
        if now.log != nil, now.log == old.log { unlink(place + "-wal") }
        if now.index != nil, now.index == old.index { unlink(place + "-shm") }
    }

    /// Octets; `nil`: there is no such file.
    func size() throws(ArchiveFailure) -> Int? {
        guard let status = stat(of: path) else {
            if errno == ENOENT { return nil }
            throw ArchiveTrouble(name).failure(system: errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw ArchiveTrouble(name).noFile() }
        return Int(status.st_size)
    }

    /// Whether SQLite's log has something in it.
    var hasLog: Bool { stat(of: database + "-wal").map { $0.st_size > 0 } ?? false }

    /// Creates the directory if only its last component is missing. Root makes it for the daemon's user (`FileOwner`).
    func makeDirectory() throws(ArchiveFailure) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        let directory = String(path[..<slash])
        guard stat(of: directory) == nil, errno == ENOENT else { return }
        guard mkdir(directory, 0o750) == 0 else {
            if errno == EEXIST { return }
            throw ArchiveTrouble(name).failure(system: errno, at: "its directory")
        }
        guard FileOwner.giveDirectory(at: directory) else {
            let reason = errno
            rmdir(directory)
            throw ArchiveTrouble(name).failure(system: reason, at: "its directory")
        }
    }

    /// Creates an empty database; the mode is also that of the files SQLite makes beside it.
    func create() throws(ArchiveFailure) {
        let descriptor = open(database, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw ArchiveTrouble(name).failure(system: errno) }
        defer { Glibc.close(descriptor) }
        // SQLite gives the files beside it the owner of the database.
        guard FileOwner.giveFile(descriptor, at: database) else { throw ArchiveTrouble(name).failure(system: errno) }
    }

    /// What this process may still write on the file system, in octets; `nil`: unknown. Some file systems over the network
    /// report as many blocks as fit into the number.
    var freeSpace: UInt64? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return Self.octets(blocks: UInt64(status.f_bavail), blockSize: UInt64(status.f_frsize))
    }
}

extension ArchiveFiles {
    /// The largest number where the product is larger.
    static func octets(blocks: UInt64, blockSize: UInt64) -> UInt64 {
        let (product, isTooLarge) = blocks.multipliedReportingOverflow(by: blockSize)
        return isTooLarge ? .max : product
    }
}

private func stat(of path: String) -> stat? {
    var status = stat()
    return stat(path, &status) == 0 ? status : nil
}
