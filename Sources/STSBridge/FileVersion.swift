import Glibc

/// Identity, size and times of a file: equal as long as nobody replaces or writes it.
///
/// The time of the last change of the inode counts too: a program that writes in place can keep the size and set the
/// modification time back, and cannot set that one. A change of owner or mode is a new version as well.
/// A symbolic link counts as the file that it leads to.
struct FileVersion: Equatable, Sendable {
    private let device: dev_t
    private let inode: ino_t
    private let size: off_t
    private let modified: Time
    private let changed: Time

    private struct Time: Equatable {
        let seconds: Int
        let nanoseconds: Int

        init(_ time: timespec) {
            seconds = time.tv_sec
            nanoseconds = time.tv_nsec
        }
    }

    /// Returns `nil` if there is no file.
    init?(of path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = status.st_dev
        inode = status.st_ino
        size = status.st_size
        modified = Time(status.st_mtim)
        changed = Time(status.st_ctim)
    }
}
