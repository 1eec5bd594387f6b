import Glibc

/// Which file a name stands for: device and inode, of a symbolic link its own.
package struct FileIdentity: Equatable, Sendable {
    private let device: UInt
    private let inode: UInt

    /// `nil`: there is no file, or it could not be looked at.
    package init?(_ path: String) {
        guard case .found(let identity) = FileLook.at(path) else { return nil }
        self = identity
    }

    fileprivate init(_ status: stat) {
        device = UInt(status.st_dev)
        inode = UInt(status.st_ino)
    }
}

/// What a look at a name found.
package enum FileLook: Equatable, Sendable {
    case found(FileIdentity)
    case missing
    /// Could not find out; an errno.
    case failed(Int32)

    package static func at(_ path: String) -> FileLook {
        var status = stat()
        guard lstat(path, &status) != 0 else { return .found(FileIdentity(status)) }
        return errno == ENOENT || errno == ENOTDIR ? .missing : .failed(errno)
    }
}
