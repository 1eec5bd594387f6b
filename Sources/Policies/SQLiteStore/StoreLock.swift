import Glibc
import Synchronization

/// Shows which processes write a store. Each process locks the octet of the lock file whose offset is its process id.
///
/// The kernel ends a lock with its process, however that ends. The text of the file, one process id a line, is for people and
/// the doctor; a process that was killed is still in it. The file is never removed: two processes could otherwise lock two
/// files of one name.
/// Builds before this one locked the whole file with flock(2) and let no second process in. Such a process is shown too. The
/// shared flock(2) lock that is held here keeps it from starting beside this one.
/// Concurrency: any thread. `exclusively` blocks.
final class StoreLock: Sendable {
    private let path: String
    /// `nil` after the release.
    private let descriptor: Mutex<Int32?>
    private let identity: FileIdentity

    /// The octet that one process at a time locks while it opens the store. No process has this id.
    private static let openingOffset: off_t = 0
    /// How long `exclusively` waits for another process, in steps of 10 ms. Opening takes far less.
    private static let maximumWaits = 500

    /// Opens the lock file, or creates it, and locks the octet of this process.
    ///
    /// - Parameter database: its owner becomes the owner of a new lock file if this process is root; `nil`: the owner of the
    ///   directory.
    init(_ path: String, database: String? = nil) throws(StoreLockError) {
        for _ in 0..<10 {
            let descriptor = Self.open(path, database: database)
            guard descriptor >= 0 else { throw StoreLockError(code: errno) }
            let isLocked = Self.set(F_RDLCK, at: off_t(getpid()), of: descriptor)
            guard isLocked, let identity = FileIdentity(of: descriptor) else {
                let code = errno
                Glibc.close(descriptor)
                throw StoreLockError(code: code)
            }
            // Removed between opening and locking: no other process would see this lock.
            guard FileIdentity(of: path) == identity else {
                Glibc.close(descriptor)
                continue
            }
            self.path = path
            self.descriptor = Mutex(descriptor)
            self.identity = identity
            exclusively { writeText() }
            return
        }
        throw StoreLockError(code: EAGAIN)
    }

    deinit { release() }

    /// Creates the file exclusively first: only a new file may get another owner. Root follows no link of the daemon's user.
    private static func open(_ path: String, database: String?) -> Int32 {
        let created = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard created >= 0 else {
            return errno == EEXIST ? Glibc.open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : created
        }
        guard FileOwner.giveFile(created, at: path, beside: database) else {
            let code = errno
            Glibc.close(created)
            errno = code
            return -1
        }
        return created
    }

    /// Safe to call more than once.
    func release() {
        descriptor.withLock { descriptor in
            guard let open = descriptor else { return }
            if Self.processes(of: open).isEmpty { ftruncate(open, 0) }
            // A program that is being started has a copy of the descriptor for a moment.
            _ = Self.set(F_UNLCK, at: off_t(getpid()), of: open)
            flock(open, LOCK_UN)
            Glibc.close(open)
            descriptor = nil
        }
    }

    /// Whether other processes see this lock: the file was not removed or replaced.
    var isInPlace: Bool { FileIdentity(of: path) == identity }

    /// The ids of the other processes, ascending. A process of another PID namespace is shown by its id there, which may be
    /// the id of this process.
    var otherProcesses: [Int32] {
        descriptor.withLock { descriptor in descriptor.map { Self.processes(of: $0) } ?? [] }
    }

    /// Runs `body` while no other process is in its own `exclusively`. After five seconds it runs in any case: SQLite keeps
    /// the file consistent, and one of two processes that create it at once then tries again.
    func exclusively<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
        let descriptor = descriptor.withLock(\.self)
        guard let descriptor else { return try body() }
        var waits = 0
        while !Self.set(F_WRLCK, at: Self.openingOffset, of: descriptor), waits < Self.maximumWaits {
            usleep(10_000)
            waits += 1
        }
        defer { _ = Self.set(F_UNLCK, at: Self.openingOffset, of: descriptor) }
        return try body()
    }

    /// Not while a process of an earlier build holds the file: its own text stays.
    private func writeText() {
        descriptor.withLock { descriptor in
            guard let descriptor, flock(descriptor, LOCK_SH | LOCK_NB) == 0 else { return }
            let ids = Set(Self.lockedOffsets(of: descriptor) + [getpid()]).sorted()
            let text = ids.map { "\($0)\n" }.joined()
            // On a full disk the file has no text.
            guard ftruncate(descriptor, 0) == 0 else { return }
            _ = pwrite(descriptor, text, text.utf8.count, 0)
        }
    }

    private static func processes(of descriptor: Int32) -> [Int32] {
        var ids = Set(lockedOffsets(of: descriptor))
        if flock(descriptor, LOCK_SH | LOCK_NB) != 0, errno == EWOULDBLOCK, let id = firstID(in: descriptor) {
            ids.insert(id)
        }
        return ids.sorted()
    }

    /// The process id that a process of an earlier build wrote into the file.
    private static func firstID(in descriptor: Int32) -> Int32? {
        var octets = [UInt8](repeating: 0, count: 32)
        let count = max(0, pread(descriptor, &octets, octets.count, 0))
        let digits = octets.prefix(count).prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return Int32(String(decoding: digits, as: UTF8.self))
    }

    // MARK: Locks of the open file description (fcntl(2))

    // linux/fcntl.h; Glibc has them only with _GNU_SOURCE.
    private static let getLock: Int32 = 36
    private static let setLock: Int32 = 37

    private static func lock(_ type: Int32, from start: off_t, length: off_t) -> flock {
        var lock = Glibc.flock()
        lock.l_type = Int16(type)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = start
        lock.l_len = length
        return lock
    }

    private static func set(_ type: Int32, at offset: off_t, of descriptor: Int32) -> Bool {
        var lock = lock(type, from: offset, length: 1)
        return fcntl(descriptor, setLock, &lock) == 0
    }

    /// The octets above 0 that others have locked. The kernel returns one lock of a range at a time, in no order.
    private static func lockedOffsets(of descriptor: Int32) -> [Int32] {
        var found: [Int32] = []
        var ranges: [ClosedRange<off_t>] = [1...off_t(Int32.max)]
        while let range = ranges.popLast(), found.count < 1_000 {
            var lock = lock(F_WRLCK, from: range.lowerBound, length: range.upperBound - range.lowerBound + 1)
            guard fcntl(descriptor, getLock, &lock) == 0, lock.l_type != Int16(F_UNLCK),
                range.contains(lock.l_start)
            else { continue }
            found.append(Int32(lock.l_start))
            if lock.l_start > range.lowerBound { ranges.append(range.lowerBound...(lock.l_start - 1)) }
            if lock.l_start < range.upperBound { ranges.append((lock.l_start + 1)...range.upperBound) }
        }
        return found
    }
}

/// The lock file of a store cannot be opened or locked.
struct StoreLockError: Error {
    /// An errno.
    let code: Int32
}
