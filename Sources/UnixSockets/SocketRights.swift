import Glibc

/// Who may connect to a unix socket: its permission bits, and the group that it is given to.
///
/// Security: a socket without its group gives the daemon's own group no more than everybody, since many users can share that
/// group (`users`, `nogroup`). No step opens the socket to more than the step before or the last one, and none follows a
/// symbolic link.
package struct SocketRights: Equatable, Sendable {
    package var mode: UInt32
    /// `nil`: none, so that the owner and root alone may connect.
    package var group: String?

    package init(mode: UInt32, group: String?) {
        self.mode = mode
        self.group = group
    }

    /// Why the socket does not have its group. It is then restricted (`restrictedMode`).
    package enum GroupProblem: Equatable, Sendable {
        case noSuchGroup
        /// The group could not be looked up, or this user may not give the socket to it; an errno.
        case notGiven(Int32)
    }

    /// A system call that failed.
    package struct Failure: Error, Equatable, Sendable {
        package let code: Int32

        package init(code: Int32) {
            self.code = code
        }
    }

    /// The mode without a group: the group's bits are those of everybody.
    package var restrictedMode: UInt32 { mode & (0o707 | (mode & 0o007) << 3) }

    /// Gives the socket at `path` these rights; changes nothing that is right already.
    ///
    /// - Returns: `nil` when the socket has its group, or is to have none.
    /// - Throws: `Failure` when there is no socket, or its mode cannot be set.
    @discardableResult
    package func apply(to path: String) throws(Failure) -> GroupProblem? {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw Failure(code: errno) }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw Failure(code: ENOTSOCK) }
        let (wanted, problem) = lookUpGroup()
        guard let wanted else {
            try restrict(path, status)
            return problem
        }
        if status.st_gid != wanted {
            // The old group must not get the new bits, nor the new group the old ones.
            try set(status.st_mode & restrictedMode, of: path, status)
            guard change(path, to: wanted) else {
                let code = errno
                try restrict(path, status)
                return .notGiven(code)
            }
        }
        try set(mode, of: path, status.st_gid == wanted ? status : nil)
        return nil
    }

    /// The daemon's own group, without more than everybody has.
    private func restrict(_ path: String, _ status: stat) throws(Failure) {
        try set(restrictedMode, of: path, status)
        // Where it is refused, the old group has no rights of its own any more.
        if status.st_gid != getegid() { _ = change(path, to: getegid()) }
    }

    /// - Returns: `nil` for the group where there is none, with the reason if there should be one.
    private func lookUpGroup() -> (gid_t?, GroupProblem?) {
        guard let group else { return (nil, nil) }
        var entry = Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        var buffer = [CChar](repeating: 0, count: 65_536)
        let code = getgrnam_r(group, &entry, &buffer, buffer.count, &found)
        if found != nil { return (entry.gr_gid, nil) }
        // Name services differ in what they return for a name that they do not know (getgrnam_r(3)).
        return (nil, [0, ENOENT, ESRCH].contains(code) ? .noSuchGroup : .notGiven(code))
    }

    private func change(_ path: String, to group: gid_t) -> Bool {
        fchownat(AT_FDCWD, path, uid_t.max, group, AT_SYMLINK_NOFOLLOW) == 0
    }

    /// - Parameter status: as it was; `nil`: set the mode whatever it was.
    private func set(_ mode: UInt32, of path: String, _ status: stat?) throws(Failure) {
        if let status, status.st_mode & 0o7777 == mode & 0o7777 { return }
        guard fchmodat(AT_FDCWD, path, mode & 0o7777, AT_SYMLINK_NOFOLLOW) == 0 else { throw Failure(code: errno) }
    }
}
