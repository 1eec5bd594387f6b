import Foundation
import Glibc

/// What stat(2) says of a file.
package struct FileFacts: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        case file, directory, socket, other
    }

    package var kind: Kind
    /// The permission bits, without the file's type.
    package var mode: UInt32
    package var owner: UInt32
    package var group: UInt32
    /// An access control list may grant what the mode does not.
    package var hasACL = false
    /// Seconds since 1970.
    package var modified = 0
    package var identity: Identity?

    /// Which file it is, whatever its name.
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

/// A look at a name. "There is none" and "could not look" are two things.
package enum FileLook: Equatable, Sendable {
    case found(FileFacts)
    case missing
    /// errno(3)
    case hidden(Int32)

    package var facts: FileFacts? {
        if case .found(let facts) = self { facts } else { nil }
    }

    /// Follows symbolic links.
    static func at(_ path: String) -> FileLook {
        var status = stat()
        guard stat(path, &status) == 0 else {
            return errno == ENOENT || errno == ENOTDIR ? .missing : .hidden(errno)
        }
        let kind: FileFacts.Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            case S_IFSOCK: .socket
            default: .other
            }
        var facts = FileFacts(kind, mode: status.st_mode & 0o7777, owner: status.st_uid, group: status.st_gid)
        facts.hasACL = hasACL(path)
        facts.modified = status.st_mtim.tv_sec
        facts.identity = FileFacts.Identity(device: UInt(status.st_dev), inode: UInt(status.st_ino))
        return .found(facts)
    }

    /// An access control list is an extended attribute (acl(5)), and Swift's Glibc has no getxattr.
    private static func hasACL(_ path: String) -> Bool {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        let extended = attributes?[FileAttributeKey("NSFileExtendedAttributes")] as? [String: Data]
        return extended?["system.posix_acl_access"] != nil
    }
}

/// The first octets of a file.
enum SmallRead {
    /// - Returns: `nil`: it cannot be read; errno(3) says why.
    static func octets(of path: String, limit: Int) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var octets: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: min(limit, 65_536))
        while octets.count < limit {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            guard count > 0 else { break }
            octets += chunk[..<count]
        }
        return octets
    }
}
