import Glibc
import LocalSystem

/// The path of a unix socket that several processes may share.
///
/// A process binds a new socket under a name beside the path and renames it to the path, over an earlier one. So clients
/// never find the path missing, and no client can connect before the mode is set. An earlier socket that is still in use gets
/// a second name beside the path. A process that ends gives the path to the newest of them.
/// Concurrency: any thread. Another process may change the same path at any time.
/// Errors: `SystemCallError`.
package struct UnixSocketFile: Equatable, Sendable {
    package let path: String

    package init(path: String) {
        self.path = path
    }

    package var identity: FileIdentity? { FileIdentity(path) }

    // MARK: Limits

    /// Octets of a path beside which a socket can be bound in a temporary directory.
    package static let maximumPathWithDirectory =
        UnixAddress.maximumLength - temporaryDirectoryPattern.utf8.count - nameInTemporaryDirectory.utf8.count

    /// What mkdtemp(3) needs at the end of a path, and a slash.
    package static let temporaryDirectoryPattern = ".XXXXXX/"
    package static let nameInTemporaryDirectory = "s"

    // MARK: The present file

    /// What is at a path.
    package enum Occupant: Equatable, Sendable {
        case nothing
        /// A socket on which no process listens.
        case unusedSocket
        /// A process listens on the socket. `isOurs`: the file belongs to the user of this process.
        case servedSocket(isOurs: Bool)
        case otherFile
    }

    package func occupant() throws(SystemCallError) -> Occupant {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            guard errno == ENOENT || errno == ENOTDIR else { throw SystemCallError(code: errno) }
            return .nothing
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else { return .otherFile }
        // Does not block. A process whose queue is full listens too.
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { throw SystemCallError(code: errno) }
        defer { Glibc.close(probe) }
        guard withAddress({ connect(probe, $0, $1) }) != 0 else {
            return .servedSocket(isOurs: status.st_uid == geteuid())
        }
        switch errno {
        case ECONNREFUSED: return .unusedSocket
        case ENOENT: return .nothing
        // EACCES: the mode keeps this user out, so the file belongs to another one.
        case EAGAIN, EACCES: return .servedSocket(isOurs: status.st_uid == geteuid())
        // A process uses it as a datagram socket, as syslog does. That is no daemon of ours.
        case EPROTOTYPE: return .servedSocket(isOurs: false)
        // This host is out of memory …
        case let code: throw SystemCallError(code: code)
        }
    }

    /// The name under which the socket at the path was bound. `nil` if no process listens on it, or its queue is full.
    var boundPath: String? {
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { return nil }
        defer { Glibc.close(probe) }
        guard withAddress({ connect(probe, $0, $1) }) == 0 else { return nil }
        var address = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(probe, $0, &length) }
        }
        guard result == 0 else { return nil }
        return withUnsafeBytes(of: &address.sun_path) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// Whether a process listens on the socket at the path.
    package var isServed: Bool {
        guard case .servedSocket? = try? occupant() else { return false }
        return true
    }

    /// Whether something is at the path on which no process listens. `false` if that cannot be found out, for example
    /// without a free descriptor.
    package var isAbandoned: Bool {
        switch try? occupant() {
        case .unusedSocket, .otherFile: true
        case .servedSocket, .nothing, nil: false
        }
    }

    /// Whether clients of the socket with this identity cannot connect any more: its file was removed, or something else is
    /// in its place on which no process listens. The socket of another process in its place is not a loss.
    package func hasLost(_ identity: FileIdentity) -> Bool {
        switch FileLook.at(path) {
        case .found(identity), .failed: false
        case .found: isAbandoned
        case .missing: true
        }
    }

    // MARK: Binding

    /// The octets that `temporaryName` appends to a path.
    package static let temporarySuffixLength = 4

    /// Binds a new stream socket under a name beside the path, and listens. Until its mode is set only this user may connect:
    /// Linux gives the file the mode of the descriptor. (A umask would change the whole process.)
    ///
    /// - Parameter backlog: the limit of connections that wait to be accepted.
    /// - Returns: the temporary name, and the descriptor, which the caller closes.
    package func bindBeside(backlog: Int32) throws(SystemCallError) -> (file: UnixSocketFile, descriptor: Int32) {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemCallError(code: errno) }
        do throws(SystemCallError) {
            guard fchmod(descriptor, 0o600) == 0 else { throw SystemCallError(code: errno) }
            // No other process takes it for unused before it listens.
            let file = try exclusively { _ throws(SystemCallError) in
                let file = try withUnusedName { file in file.withAddress { Glibc.bind(descriptor, $0, $1) } == 0 }
                guard listen(descriptor, backlog) == 0 else {
                    let code = errno
                    file.remove()
                    throw SystemCallError(code: code)
                }
                return file
            }
            return (file, descriptor)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    /// Gives the file at the path a second name, beside it.
    func keepBeside() throws(SystemCallError) -> UnixSocketFile {
        try withUnusedName { file in link(path, file.path) == 0 }
    }

    /// Replaces the file at `target`.
    package func move(to target: UnixSocketFile) throws(SystemCallError) {
        guard rename(path, target.path) == 0 else { throw SystemCallError(code: errno) }
    }

    package func remove() { unlink(path) }

    /// - Parameter body: returns `false` with EEXIST or EADDRINUSE in `errno` if the name is used.
    private func withUnusedName(_ body: (UnixSocketFile) -> Bool) throws(SystemCallError) -> UnixSocketFile {
        for _ in 0..<100 {
            let file = UnixSocketFile(path: path + Self.temporaryName())
            if body(file) { return file }
            guard errno == EEXIST || errno == EADDRINUSE else { throw SystemCallError(code: errno) }
        }
        throw SystemCallError(code: EEXIST)
    }

    /// `.` and three letters or digits.
    private static func temporaryName() -> String {
        let octets = (1..<temporarySuffixLength).map { _ in
            temporaryCharacters[Int.random(in: 0..<temporaryCharacters.count)]
        }
        return "." + String(decoding: octets, as: UTF8.self)
    }

    static let temporaryCharacters = Array("abcdefghijklmnopqrstuvwxyz0123456789".utf8)

    private func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        guard let address = UnixAddress(path: path) else {
            errno = ENAMETOOLONG
            return -1
        }
        return address.withPointer(body)
    }
}
