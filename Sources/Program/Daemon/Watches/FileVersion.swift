import Glibc

/// The identity, size and times of a file. They differ after the file is replaced or written.
///
/// The time of the last inode change counts too: a program that writes in place can keep the size and reset the
/// modification time, but not this time. So a change of owner or mode is also a new version.
/// A symbolic link stands for its target.
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

    /// Returns `nil` if the file does not exist.
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
