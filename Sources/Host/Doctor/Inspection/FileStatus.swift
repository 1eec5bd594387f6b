import Foundation
import Glibc

/// The result of stat(2) for a file.
package struct FileStatus: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case file, directory, socket, other
    }

    package var kind: Kind
    /// The permission bits, without the file's type.
    package var mode: UInt32
    package var owner: UInt32
    package var group: UInt32
    /// Whether there is an access control list, which may grant more than the mode.
    package var hasACL = false
    /// Seconds since 1970.
    package var modified = 0
    package var identity: Identity?

    /// Identifies the file under any name.
    package struct Identity: Hashable, Sendable {
        let device: UInt
        let inode: UInt
    }

    package init(_ kind: Kind, mode: UInt32, owner: UInt32 = 0, group: UInt32 = 0, hasACL: Bool = false) {
        self.kind = kind
        self.mode = mode
        self.owner = owner
        self.group = group
        self.hasACL = hasACL
    }
}

/// The lookup of a file name. `missing` means that there is no such file, `inaccessible` that it is unknown.
package enum FileLookup: Equatable, Sendable {
    case found(FileStatus)
    case missing
    /// errno(3)
    case inaccessible(Int32)

    package var facts: FileStatus? {
        if case .found(let facts) = self { facts } else { nil }
    }

    /// Follows symbolic links.
    static func at(_ path: String) -> FileLookup {
        var status = stat()
        guard stat(path, &status) == 0 else {
            return errno == ENOENT || errno == ENOTDIR ? .missing : .inaccessible(errno)
        }
        let kind: FileStatus.Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            case S_IFSOCK: .socket
            default: .other
            }
        var facts = FileStatus(kind, mode: status.st_mode & 0o7777, owner: status.st_uid, group: status.st_gid)
        facts.hasACL = hasACL(path)
        facts.modified = status.st_mtim.tv_sec
        facts.identity = FileStatus.Identity(device: UInt(status.st_dev), inode: UInt(status.st_ino))
        return .found(facts)
    }

    /// An access control list is an extended attribute (acl(5)), and Swift's Glibc has no getxattr.
    private static func hasACL(_ path: String) -> Bool {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        let extended = attributes?[FileAttributeKey("NSFileExtendedAttributes")] as? [String: Data]
        return extended?["system.posix_acl_access"] != nil
    }
}
