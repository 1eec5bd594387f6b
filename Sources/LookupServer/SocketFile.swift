import Glibc
import UnixSockets

/// A unix socket's name, and what stands there.
struct SocketFile: Equatable, Sendable {
    let path: String

    /// Where a socket is made, and where it stays while somebody else serves `path`: beside it, so that rename(2) moves it.
    var beside: SocketFile { SocketFile(path: path + ListenAddress.temporarySuffix) }

    var identity: FileIdentity? { FileIdentity(path) }

    /// Where the socket with this identity stands: here, or still beside.
    ///
    /// Beside first, since a socket moves from there to here, perhaps between the two looks.
    func place(of identity: FileIdentity) -> SocketFile? {
        [beside, self].first { $0.identity == identity }
    }

    /// Whether the socket with this identity is known to stand neither here nor beside: it was removed or replaced.
    func hasLost(_ identity: FileIdentity) -> Bool {
        ![FileLook.at(beside.path), FileLook.at(path)].contains { look in
            switch look {
            case .found(let found): found == identity
            case .missing: false
            case .failed: true
            }
        }
    }

    private var isSocket: Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    }

    /// Whether it is our user's: another one's is not ours to put anywhere.
    private var isOurs: Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_uid == geteuid()
    }

    /// Whether somebody answers here; a file that is no socket is an error.
    func isServed() throws(ListenFailure.Reason) -> Bool {
        guard identity != nil else { return false }
        guard isSocket else { throw .notASocket(path: path) }
        // Not blocking: one whose queue is full is alive too.
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { throw .system(errno) }
        defer { Glibc.close(probe) }
        return withAddress { connect(probe, $0, $1) } == 0 || errno == EAGAIN
    }

    /// A socket that is nobody else's until its mode is set: Linux makes the file with the mode of the descriptor. (Not by
    /// umask(2), which would be the whole process's.)
    func bindPrivately() throws(ListenFailure.Reason) -> Int32 {
        if isSocket { unlink(path) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .system(errno) }
        guard fchmod(descriptor, 0o600) == 0, withAddress({ Glibc.bind(descriptor, $0, $1) }) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw .system(code)
        }
        return descriptor
    }

    /// Takes the name `path`, from whatever stands there.
    func move(to other: SocketFile) throws(ListenFailure.Reason) {
        guard rename(path, other.path) == 0 else { throw .system(errno) }
    }

    func remove() { unlink(path) }

    /// Gives the name to an heir of our user that stands ready beside it, if there is one.
    func yieldToHeir() {
        guard beside.isOurs, (try? beside.isServed()) == true else { return }
        try? beside.move(to: self)
    }

    private func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}
