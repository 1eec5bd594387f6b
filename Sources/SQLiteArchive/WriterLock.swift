import Glibc
import Synchronization

/// The right to write an archive, or to be the next one who does, of one process at a time: a lock on a file, in which its
/// holder's pid stands.
///
/// Held until it is released or the process ends, in whatever way. The file stays: removing it would let two processes
/// lock two files of one name.
/// Concurrency: any thread.
final class WriterLock: Sendable {
    enum Attempt {
        case taken(WriterLock)
        /// By another process, or by this one a second time.
        case held(Holder)
        /// The file cannot be opened or locked: `errno`.
        case impossible(Int32)
    }

    /// What the lock file says of who holds it.
    struct Holder: Equatable, Sendable {
        /// `nil`: nothing.
        let pid: Int32?
        /// It was told to end, and answers what is pending.
        let isLeaving: Bool
    }

    private let path: String
    /// `nil` after the release.
    private let descriptor: Mutex<Int32?>
    private let identity: FileIdentity

    /// Does not wait.
    ///
    /// - Parameter database: whose owner a new lock file gets if root makes it; `nil`: that of the directory.
    static func attempt(_ path: String, beside database: String? = nil) -> Attempt {
        for _ in 0..<10 {
            let descriptor = opened(path, beside: database)
            guard descriptor >= 0 else { return .impossible(errno) }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, let identity = FileIdentity(of: descriptor) else {
                let reason = errno
                let holder = holder(in: descriptor)
                Glibc.close(descriptor)
                return reason == EWOULDBLOCK ? .held(holder) : .impossible(reason)
            }
            let lock = WriterLock(path, descriptor, identity)
            // Removed between opening and locking: nobody else would find this one.
            guard lock.isInPlace else { continue }
            write("\(getpid())", into: descriptor)
            return .taken(lock)
        }
        return .impossible(EAGAIN)
    }

    /// Created exclusively first: only a file of our own may get another owner. Root follows no link of the daemon's user.
    private static func opened(_ path: String, beside database: String?) -> Int32 {
        let created = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard created >= 0 else {
            return errno == EEXIST ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : created
        }
        guard FileOwner.giveFile(created, at: path, beside: database) else {
            let reason = errno
            Glibc.close(created)
            errno = reason
            return -1
        }
        return created
    }

    private init(_ path: String, _ descriptor: Int32, _ identity: FileIdentity) {
        self.path = path
        self.descriptor = Mutex(descriptor)
        self.identity = identity
    }

    deinit { release() }

    /// Safe to call more than once.
    func release() {
        descriptor.withLock { descriptor in
            guard let open = descriptor else { return }
            Self.write("", into: open)
            // A program that is being started has a copy of the descriptor for a moment.
            flock(open, LOCK_UN)
            Glibc.close(open)
            descriptor = nil
        }
    }

    /// Tells who waits for it that it will be released soon.
    func announceRelease() {
        descriptor.withLock { if let open = $0 { Self.write("\(getpid()) \(Self.leaving)", into: open) } }
    }

    private static let leaving = "leaving"

    /// Whether another process would meet it.
    var isInPlace: Bool { FileIdentity(of: path) == identity }

    /// For the eyes of whom the lock keeps out; on a full disk they learn no pid.
    private static func write(_ text: String, into descriptor: Int32) {
        guard ftruncate(descriptor, 0) == 0, !text.isEmpty else { return }
        _ = pwrite(descriptor, text + "\n", text.utf8.count + 1, 0)
    }

    private static func holder(in descriptor: Int32) -> Holder {
        var octets = [UInt8](repeating: 0, count: 32)
        let count = max(0, pread(descriptor, &octets, octets.count, 0))
        let words = String(decoding: octets.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
            .split(separator: " ")
        return Holder(pid: words.first.flatMap { Int32($0) }, isLeaving: words.dropFirst().first == leaving[...])
    }
}
