import Glibc

/// A user with all of its groups.
package struct Account: Equatable, Sendable {
    package let name: String
    package let user: UInt32
    /// The group of its passwd(5) entry, which it cannot leave; one of `groups`.
    package let primaryGroup: UInt32
    package let groups: Set<UInt32>

    package init(name: String, user: UInt32, primaryGroup: UInt32, groups: Set<UInt32>) {
        self.name = name
        self.user = user
        self.primaryGroup = primaryGroup
        self.groups = groups
    }

    /// Octets for one entry of passwd(5); the longest groups of real sites stay below.
    private static let entrySize = 65_536

    /// `nil`: there is no such user here.
    static func named(_ name: String) -> Account? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: entrySize)
        guard getpwnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
        return Account(
            name: name, user: entry.pw_uid, primaryGroup: entry.pw_gid,
            groups: groups(of: name, primary: entry.pw_gid))
    }

    static func numbered(_ user: UInt32) -> Account? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: entrySize)
        guard getpwuid_r(user, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
        let name = String(cString: entry.pw_name)
        return Account(
            name: name, user: user, primaryGroup: entry.pw_gid, groups: groups(of: name, primary: entry.pw_gid))
    }

    /// The name of a group, from group(5).
    ///
    /// - Returns: `nil` if there is no such group here, or if it could not be looked up; then its number is its only name.
    static func groupName(_ group: UInt32) -> String? {
        var entry = Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        var buffer = [CChar](repeating: 0, count: entrySize)
        guard getgrgid_r(group, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
        return String(cString: entry.gr_name)
    }

    private static func groups(of name: String, primary: gid_t) -> Set<UInt32> {
        var groups = [gid_t](repeating: 0, count: 1_024)
        var count = Int32(groups.count)
        guard getgrouplist(name, primary, &groups, &count) >= 0 else { return [primary] }
        return Set(groups.prefix(Int(count)))
    }
}

extension FileFacts {
    package enum Right: UInt32, Sendable {
        case read = 4
        case write = 2
        /// Of a directory: to go through it.
        case search = 1
    }

    /// By the mode alone; `nil`: an access control list may say otherwise.
    package func grants(_ right: Right, to account: Account) -> Bool? {
        if account.user == 0 { return true }
        let bits = account.user == owner ? mode >> 6 : account.groups.contains(group) ? mode >> 3 : mode
        if bits & right.rawValue != 0 { return true }
        return hasACL ? nil : false
    }
}
