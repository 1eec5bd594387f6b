import Glibc
import PolicyCaching

/// Device and inode of the file that a name leads to. The kernel does not reuse them while the file is open.
struct FileIdentity: Equatable, Sendable {
    private let device: dev_t
    private let inode: ino_t

    init(_ status: stat) {
        device = status.st_dev
        inode = status.st_ino
    }

    /// `nil` if there is no such file, or it cannot be reached.
    init?(of path: String) {
        guard let status = stat(of: path) else { return nil }
        self.init(status)
    }

    /// The file of an open descriptor.
    init?(of descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }
}

/// The files of a store: the database, and the files of SQLite and of the daemon beside it.
///
/// Errors: `StoreError`.
/// Security: never opens a database file that exists. Closing a second descriptor would drop the locks that SQLite holds on
/// it in this process (POSIX; sqlite.org/howtocorrupt.html §2.2).
struct StoreFiles: Sendable {
    /// As configured, for messages.
    let name: String
    /// The name that is opened. SQLite takes it neither for a URI nor for one of its special names.
    let path: String

    init(_ name: String) {
        self.name = name
        path = name.hasPrefix("/") ? name : "./" + name
    }

    /// Beside the database itself, so that two names of one file have one lock.
    var lock: String { database + ".lock" }

    /// Removes the second lock file of earlier builds, in which one process waited for another one.
    func removeObsoleteLock() { unlink(database + ".lock.heir") }

    /// The path of the database with symbolic links followed. SQLite keeps its other files beside it.
    var database: String {
        guard let resolved = realpath(path, nil) else { return linked }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// The target of a link, even if there is no file yet.
    private var linked: String {
        var octets = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &octets, octets.count)
        guard count > 0 else { return path }
        let target = String(decoding: octets.prefix(count), as: UTF8.self)
        guard !target.hasPrefix("/"), let slash = path.lastIndex(of: "/") else { return target }
        return path[...slash] + target
    }

    /// The database, and the files that SQLite keeps beside it while it is open.
    struct Identities: Equatable, Sendable {
        let database: FileIdentity?
        let log: FileIdentity?
        let index: FileIdentity?

        /// None of them was removed.
        var isComplete: Bool { database != nil && log != nil && index != nil }
    }

    func identities() -> Identities {
        let base = database
        return Identities(
            database: FileIdentity(of: path), log: FileIdentity(of: base + "-wal"),
            index: FileIdentity(of: base + "-shm"))
    }

    /// Removes the log of a database that was removed or replaced. SQLite would apply the log to the new database under that
    /// name, and damage it.
    func removeLog(of old: Identities) {
        let now = identities()
        guard now.database != old.database else { return }
        let base = database
        if now.log != nil, now.log == old.log { unlink(base + "-wal") }
        if now.index != nil, now.index == old.index { unlink(base + "-shm") }
    }

    /// In octets; `nil` if there is no such file.
    func size() throws(StoreError) -> Int? {
        guard let status = stat(of: path) else {
            if errno == ENOENT { return nil }
            throw StoreErrorMessage(name).failure(system: errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw StoreErrorMessage(name).notAFile() }
        return Int(status.st_size)
    }

    /// Whether SQLite's log is not empty.
    var hasLog: Bool { stat(of: database + "-wal").map { $0.st_size > 0 } ?? false }

    /// Creates the directory if only its last component is missing. Root makes it for the daemon's user (`FileOwner`).
    func makeDirectory() throws(StoreError) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        let directory = String(path[..<slash])
        guard stat(of: directory) == nil, errno == ENOENT else { return }
        guard mkdir(directory, 0o750) == 0 else {
            if errno == EEXIST { return }
            throw StoreErrorMessage(name).failure(system: errno, at: "its directory")
        }
        guard FileOwner.giveDirectory(at: directory) else {
            let reason = errno
            rmdir(directory)
            throw StoreErrorMessage(name).failure(system: reason, at: "its directory")
        }
    }

    /// Creates an empty database. SQLite makes the files beside it with the same mode.
    func create() throws(StoreError) {
        let descriptor = open(database, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw StoreErrorMessage(name).failure(system: errno) }
        defer { Glibc.close(descriptor) }
        // SQLite gives the files beside it the owner of the database.
        guard FileOwner.giveFile(descriptor, at: database) else { throw StoreErrorMessage(name).failure(system: errno) }
    }

    /// The octets that this process may still write on the file system; `nil` if unknown. Some network file systems report
    /// as many blocks as fit into the number.
    var freeSpace: UInt64? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return Self.octets(blocks: UInt64(status.f_bavail), blockSize: UInt64(status.f_frsize))
    }
}

extension StoreFiles {
    /// Returns the largest number if the product is larger.
    static func octets(blocks: UInt64, blockSize: UInt64) -> UInt64 {
        let (product, isTooLarge) = blocks.multipliedReportingOverflow(by: blockSize)
        return isTooLarge ? .max : product
    }
}

private func stat(of path: String) -> stat? {
    var status = stat()
    return stat(path, &status) == 0 ? status : nil
}
