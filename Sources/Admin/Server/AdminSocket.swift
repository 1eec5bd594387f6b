import Foundation
import Glibc
import Logging

/// Where the operator's API listens: a unix socket, for its owner and one group.
///
/// It is made in a directory of its own that nobody else may enter, gets its group and mode there, and moves to its name
/// complete: at no time is it open to more. (A umask would do as well, but it is the whole process's.)
package struct AdminSocket: Sendable {
    /// Absolute.
    package let path: String
    /// Who may connect besides the owner; `nil`: nobody.
    package let group: String?

    /// The longest path in octets that fits into `sockaddr_un` with its final NUL (unix(7)), less what the directory
    /// that it is made in adds.
    package static let maximumPath = 107 - directoryPattern.utf8.count - socketName.utf8.count

    private static let directoryPattern = ".XXXXXX/"
    private static let socketName = "s"
    static let mode: mode_t = 0o660

    package init(path: String, group: String?) {
        self.path = path
        self.group = group
    }

    /// Where the socket is to be bound, before `settle` moves it to its name.
    struct Place {
        fileprivate let directory: String
        var path: String { "\(directory)/\(AdminSocket.socketName)" }
    }

    /// - Throws: `AdminSocketFailure` when another process answers at `path`, a file that is no socket is in the way, or
    ///   the directory is not ours to write.
    func prepare() throws(AdminSocketFailure) -> Place {
        try refuseIfTaken()
        var template = Array((path + Self.directoryPattern.dropLast()).utf8CString)
        guard mkdtemp(&template) != nil else { throw failure(.system(errno)) }
        return Place(directory: String(decoding: template.dropLast().map(UInt8.init), as: UTF8.self))
    }

    /// Gives the bound socket its group and mode, and its name.
    ///
    /// - Returns: the file that now stands at `path`.
    func settle(_ place: Place, logger: Logger) throws(AdminSocketFailure) -> FileIdentity? {
        giveToGroup(place, logger: logger)
        guard chmod(place.path, Self.mode) == 0, rename(place.path, path) == 0 else { throw failure(.system(errno)) }
        rmdir(place.directory)
        return FileIdentity(path)
    }

    /// Leaves nothing behind of a socket that never got its name.
    func abandon(_ place: Place) {
        unlink(place.path)
        rmdir(place.directory)
    }

    /// Removes the socket, if it is still the same one.
    func remove(_ file: FileIdentity?) {
        if let file, FileIdentity(path) == file { unlink(path) }
    }

    /// A group that is missing, or not ours to give: the socket is then less reachable, never more.
    private func giveToGroup(_ place: Place, logger: Logger) {
        guard let group else { return }
        guard let id = Self.groupID(of: group) else {
            logger.info(
                "group of the admin socket does not exist, its own user alone may connect",
                metadata: ["path": "\(path)", "group": "\(group)"])
            return
        }
        if chown(place.path, uid_t.max, id) != 0 {
            logger.warning(
                "cannot give the admin socket to its group: run as root or as a member of it",
                metadata: ["path": "\(path)", "group": "\(group)", "error": "\(String(cString: strerror(errno)))"])
        }
    }

    private static func groupID(of name: String) -> gid_t? {
        var entry = Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        guard getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
        return entry.gr_gid
    }

    /// A socket that somebody answers at is not ours to replace, nor is a file that is no socket.
    private func refuseIfTaken() throws(AdminSocketFailure) {
        guard path.utf8.count <= Self.maximumPath else { throw failure(.system(ENAMETOOLONG)) }
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw failure(.notASocket) }
        // Not blocking: one whose queue is full is alive too.
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { throw failure(.system(errno)) }
        defer { close(probe) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(probe, $0, length) }
        }
        if result == 0 || errno == EAGAIN { throw failure(.alreadyServed) }
    }

    private func failure(_ reason: AdminSocketFailure.Reason) -> AdminSocketFailure {
        AdminSocketFailure(path: path, reason: reason)
    }
}

/// Which file a name stands for.
struct FileIdentity: Equatable, Sendable {
    private let device: UInt
    private let inode: UInt

    init?(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        device = UInt(status.st_dev)
        inode = UInt(status.st_ino)
    }
}

/// Why there is no admin socket.
package struct AdminSocketFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        case system(Int32)
        case alreadyServed
        case notASocket
    }

    package let path: String
    package let reason: Reason

    /// What is the matter, and what to do.
    package var description: String {
        let cause =
            switch reason {
            case .alreadyServed: "another process serves it; stop that one, or set admin.socket to another path"
            case .notASocket: "a file that is no socket is in the way; remove it, or set admin.socket to another path"
            case .system(let code): "\(String(cString: strerror(code)))\(Self.remedy(code))"
            }
        return "\(path): \(cause)"
    }

    private static func remedy(_ code: Int32) -> String {
        switch code {
        case ENOENT: "; create its directory, or set admin.socket to another path"
        case EACCES, EPERM, EROFS: "; let this user write the directory, or set admin.socket to another path"
        case ENAMETOOLONG: "; a socket's path has at most \(AdminSocket.maximumPath) octets"
        default: ""
        }
    }
}
