import Glibc
import LocalSystem

/// The users that may connect to a unix socket: its permission bits and its group.
///
/// Security: a socket that did not get its group gives the daemon's own group only the rights of everybody, because many
/// users can share that group (`users`, `nogroup`). No step opens the socket to more users than the step before or the last
/// one, and no step follows a symbolic link.
package struct SocketRights: Equatable, Sendable {
    package var mode: UInt32
    /// `nil` for no group, so that only the owner and root may connect.
    package var group: String?

    package init(mode: UInt32, group: String?) {
        self.mode = mode
        self.group = group
    }

    /// Why the socket does not have its group. It is then restricted (`restrictedMode`).
    package enum GroupError: Equatable, Sendable {
        case noSuchGroup
        /// The group could not be looked up, or this user may not set it; an errno.
        case notGiven(Int32)
    }

    /// The mode without a group: the bits of the group are those of everybody.
    package var restrictedMode: UInt32 { mode & (0o707 | (mode & 0o007) << 3) }

    /// Gives the socket at `path` these rights. Changes nothing that is right already.
    ///
    /// - Returns: `nil` if the socket has its group, or needs none.
    /// - Throws: `SystemCallError` if there is no socket, or its mode cannot be set.
    @discardableResult
    package func apply(to path: String) throws(SystemCallError) -> GroupError? {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw SystemCallError(code: errno) }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw SystemCallError(code: ENOTSOCK) }
        let (wanted, groupError) = lookUpGroup()
        guard let wanted else {
            try restrict(path, status: status)
            return groupError
        }
        if status.st_gid != wanted {
            // The old group must not get the new bits, nor the new group the old bits.
            try setMode(status.st_mode & restrictedMode, of: path, status: status)
            guard setGroup(wanted, of: path) else {
                let code = errno
                try restrict(path, status: status)
                return .notGiven(code)
            }
        }
        try setMode(mode, of: path, status: status.st_gid == wanted ? status : nil)
        return nil
    }

    /// Sets the daemon's own group, with the rights of everybody.
    private func restrict(_ path: String, status: stat) throws(SystemCallError) {
        try setMode(restrictedMode, of: path, status: status)
        // If this fails, the old group has no rights of its own any more.
        if status.st_gid != getegid() { _ = setGroup(getegid(), of: path) }
    }

    /// - Returns: the group, or `nil` and the reason if a group is wanted.
    private func lookUpGroup() -> (gid_t?, GroupError?) {
        guard let group else { return (nil, nil) }
        do throws(GroupLookupError) {
            return (try AccountDatabase.groupID(named: group), nil)
        } catch {
            switch error {
            case .noSuchGroup: return (nil, .noSuchGroup)
            case .failed(let code): return (nil, .notGiven(code))
            }
        }
    }

    private func setGroup(_ group: gid_t, of path: String) -> Bool {
        fchownat(AT_FDCWD, path, uid_t.max, group, AT_SYMLINK_NOFOLLOW) == 0
    }

    /// - Parameter status: the present status; `nil` to set the mode in any case.
    private func setMode(_ mode: UInt32, of path: String, status: stat?) throws(SystemCallError) {
        if let status, status.st_mode & 0o7777 == mode & 0o7777 { return }
        guard fchmodat(AT_FDCWD, path, mode & 0o7777, AT_SYMLINK_NOFOLLOW) == 0
        else { throw SystemCallError(code: errno) }
    }
}
