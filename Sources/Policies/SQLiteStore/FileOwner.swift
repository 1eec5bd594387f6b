import Glibc
import LocalSystem

/// The owner of a new file or directory. It lets the daemon use a file that root has created, whatever user the daemon runs as.
///
/// Security: applied only to a file that this process has just created (`O_EXCL`, `mkdir`), so root follows no link of another
/// user.
enum FileOwner: Equatable, Sendable {
    /// The user and group of this process.
    case unchanged
    case user(uid_t, group: gid_t)
    /// Root, with the rights of the owner for this group too.
    case group(gid_t)

    /// The owner of a file or directory, and its mode.
    struct Rights: Equatable, Sendable {
        let user: uid_t
        let group: gid_t
        let mode: mode_t

        fileprivate var owner: FileOwner? { user == 0 ? nil : .user(user, group: group) }

        /// The group of a directory of root in which its members may create files.
        fileprivate var sharedGroup: FileOwner? { group != 0 && mode & 0o020 != 0 ? .group(group) : nil }
    }

    // MARK: The rule

    /// - Parameters:
    ///   - directory: the directory of the file.
    ///   - database: the database that the file belongs to; `nil` if there is none yet.
    static func ofFile(in directory: Rights, beside database: Rights?) -> FileOwner {
        database?.owner ?? directory.owner ?? directory.sharedGroup ?? .unchanged
    }

    /// - Parameters:
    ///   - parent: the directory above.
    ///   - account: the daemon's user on this host; `nil` if there is none, so that the daemon may run as root.
    static func ofDirectory(in parent: Rights, account: FileOwner?) -> FileOwner {
        parent.owner ?? account ?? parent.sharedGroup ?? .unchanged
    }

    /// The user that the Debian package, the container image and sysusers.d(5) create.
    static var account: FileOwner? {
        AccountDatabase.user(named: "sts-bridge").map { .user($0.id, group: $0.group) }
    }

    // MARK: Applying it

    /// Gives a new file its owner if this process is root, else does nothing.
    ///
    /// - Returns: `false` if it failed; `errno` has the reason.
    static func giveFile(_ descriptor: Int32, at path: String, beside database: String? = nil) -> Bool {
        guard geteuid() == 0 else { return true }
        guard let parent = Rights(of: directory(of: path)) else { return false }
        return ofFile(in: parent, beside: database.flatMap { Rights(of: $0) }).apply(to: descriptor, mode: 0o660)
    }

    /// Gives a new directory its owner if this process is root, else does nothing.
    ///
    /// - Returns: `false` if it failed; `errno` has the reason.
    static func giveDirectory(at path: String) -> Bool {
        guard geteuid() == 0 else { return true }
        guard let parent = Rights(of: directory(of: path)) else { return false }
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // Root without CAP_CHOWN, as in a container, cannot change the owner. Then the daemon runs as root too.
        return ofDirectory(in: parent, account: account).apply(to: descriptor, mode: 0o770) || errno == EPERM
    }

    /// - Parameter mode: the mode of a shared file or directory, whatever the umask is.
    private func apply(to descriptor: Int32, mode: mode_t) -> Bool {
        switch self {
        case .unchanged: true
        case .user(let user, let group): fchown(descriptor, user, group) == 0
        case .group(let group): fchown(descriptor, 0, group) == 0 && fchmod(descriptor, mode) == 0
        }
    }

    private static func directory(of path: String) -> String {
        path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }
}

extension FileOwner.Rights {
    /// Follows links. `nil` if there is no file, or it cannot be reached (`errno`).
    fileprivate init?(of path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        self.init(user: status.st_uid, group: status.st_gid, mode: status.st_mode)
    }
}
