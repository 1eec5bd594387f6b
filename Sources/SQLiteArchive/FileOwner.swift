import Glibc

/// Whose a new file is.
///
/// Security: used for files that this process has just created (`O_EXCL`), so nobody can have a link followed.
enum FileOwner {
    /// If this process is root, gives the file the owner and group of its directory: a daemon that runs as another user can
    /// use what root has made. Else does nothing.
    ///
    /// - Returns: `false` if it failed; `errno` has the reason.
    static func inherit(_ descriptor: Int32, at path: String) -> Bool {
        guard geteuid() == 0 else { return true }
        let directory = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        var status = stat()
        guard stat(directory, &status) == 0 else { return false }
        guard status.st_uid != 0 else { return true }
        return fchown(descriptor, status.st_uid, status.st_gid) == 0
    }
}
