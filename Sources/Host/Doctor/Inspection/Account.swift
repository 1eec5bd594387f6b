import Glibc
import LocalSystem

/// A user of this host with all its groups.
package struct Account: Equatable, Sendable {
    package let name: String
    package let user: UInt32
    /// The group of its passwd(5) entry; one of `groups`.
    package let primaryGroup: UInt32
    package let groups: Set<UInt32>

    package init(name: String, user: UInt32, primaryGroup: UInt32, groups: Set<UInt32>) {
        self.name = name
        self.user = user
        self.primaryGroup = primaryGroup
        self.groups = groups
    }

    /// `nil`: this host has no such user.
    static func named(_ name: String) -> Account? {
        AccountDatabase.user(named: name).map(Account.init)
    }

    static func numbered(_ user: UInt32) -> Account? {
        AccountDatabase.user(id: user).map(Account.init)
    }

    private init(_ user: AccountDatabase.User) {
        self.init(
            name: user.name, user: user.id, primaryGroup: user.group,
            groups: Self.groups(of: user.name, primary: user.group))
    }

    private static func groups(of name: String, primary: gid_t) -> Set<UInt32> {
        var groups = [gid_t](repeating: 0, count: 1_024)
        var count = Int32(groups.count)
        guard getgrouplist(name, primary, &groups, &count) >= 0 else { return [primary] }
        return Set(groups.prefix(Int(count)))
    }
}

extension FileStatus {
    package enum Right: UInt32, Sendable {
        case read = 4
        case write = 2
        /// For a directory: to pass through it.
        case search = 1
    }

    /// Whether the mode grants the right; `nil`: an access control list may grant more.
    package func grants(_ right: Right, to account: Account) -> Bool? {
        if account.user == 0 { return true }
        let bits = account.user == owner ? mode >> 6 : account.groups.contains(group) ? mode >> 3 : mode
        if bits & right.rawValue != 0 { return true }
        return hasACL ? nil : false
    }
}
