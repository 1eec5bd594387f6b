import Glibc

/// Device and inode of the file that a name leads to; of a symbolic link itself, not of its target.
package struct FileIdentity: Equatable, Sendable {
    private let device: UInt
    private let inode: UInt

    /// `nil` if there is no file, or it cannot be examined.
    package init?(_ path: String) {
        guard case .found(let identity) = FileLook.at(path) else { return nil }
        self = identity
    }

    fileprivate init(_ status: stat) {
        device = UInt(status.st_dev)
        inode = UInt(status.st_ino)
    }
}

/// The result of looking for a file.
package enum FileLook: Equatable, Sendable {
    case found(FileIdentity)
    case missing
    /// The file could not be examined; an errno.
    case failed(Int32)

    package static func at(_ path: String) -> FileLook {
        var status = stat()
        guard lstat(path, &status) != 0 else { return .found(FileIdentity(status)) }
        return errno == ENOENT || errno == ENOTDIR ? .missing : .failed(errno)
    }
}

/// A system call that failed.
package struct SystemCallError: Error, Equatable, Sendable {
    /// An errno.
    package let code: Int32

    package init(code: Int32) {
        self.code = code
    }
}
