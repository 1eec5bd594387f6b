import Glibc

/// Looks up users and groups of this host by name or id: passwd(5), group(5) and the other sources of nsswitch.conf(5).
///
/// Concurrency: any thread. A lookup blocks; with a directory service it can take seconds.
/// Limits: an entry has at most 64 KiB. The groups of large sites are smaller.
package enum AccountDatabase {
    package struct User: Equatable, Sendable {
        package let name: String
        package let id: UInt32
        /// The primary group.
        package let group: UInt32

        fileprivate init(_ entry: passwd) {
            name = String(cString: entry.pw_name)
            id = entry.pw_uid
            group = entry.pw_gid
        }
    }

    private static let entrySize = 65_536

    /// - Returns: `nil` if there is no such user, or if the lookup failed.
    package static func user(named name: String) -> User? {
        user { getpwnam_r(name, $0, $1, entrySize, $2) }
    }

    /// - Returns: `nil` if there is no such user, or if the lookup failed.
    package static func user(id: UInt32) -> User? {
        user { getpwuid_r(id, $0, $1, entrySize, $2) }
    }

    /// - Returns: `nil` if there is no such group, or if the lookup failed.
    package static func groupName(id: UInt32) -> String? {
        var entry = Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        var buffer = [CChar](repeating: 0, count: entrySize)
        let code = getgrgid_r(id, &entry, &buffer, entrySize, &found)
        // The name is in `buffer`.
        return withExtendedLifetime(buffer) { code == 0 && found != nil ? String(cString: entry.gr_name) : nil }
    }

    package static func groupID(named name: String) throws(GroupLookupError) -> UInt32 {
        var entry = Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        var buffer = [CChar](repeating: 0, count: entrySize)
        let code = getgrnam_r(name, &entry, &buffer, entrySize, &found)
        if found != nil { return entry.gr_gid }
        // Name services return different codes for an unknown name (getgrnam_r(3)).
        throw [0, ENOENT, ESRCH].contains(code) ? .noSuchGroup : .failed(code)
    }

    private static func user(
        _ lookUp: (
            UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>,
            UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
        ) -> Int32
    ) -> User? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: entrySize)
        let code = buffer.withUnsafeMutableBufferPointer { buffer -> Int32 in
            guard let base = buffer.baseAddress else { return EINVAL }
            return lookUp(&entry, base, &found)
        }
        // The strings of the entry are in `buffer`.
        return withExtendedLifetime(buffer) { code == 0 && found != nil ? User(entry) : nil }
    }
}

package enum GroupLookupError: Error, Equatable, Sendable {
    case noSuchGroup
    /// The lookup failed with this errno.
    case failed(Int32)
}
