import PostfixTable

/// A release of Postfix, parsed from `mail_version`: `3.7.11`, `3.12-20260101`, `3.11-20250101-nonprod`, `3.10.0-RC1`.
package struct PostfixRelease: Hashable, Sendable {
    package let major: Int
    package let minor: Int
    /// Whether this is a development snapshot. It comes before `major.minor.0` and may lack features of that release.
    package let isSnapshot: Bool

    package init(major: Int, minor: Int, isSnapshot: Bool = false) {
        self.major = major
        self.minor = minor
        self.isSnapshot = isSnapshot
    }

    /// `nil` for a text that is no version. A snapshot has a date instead of a patch level; the rest of the text is ignored.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let numbers = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        guard (2...3).contains(numbers.count), let major = Self.number(numbers[0]), let minor = Self.number(numbers[1]),
            numbers.count == 2 || Self.number(numbers[2]) != nil, parts.count == 1 || !parts[1].isEmpty
        else { return nil }
        self.init(major: major, minor: minor, isSnapshot: numbers.count == 2 && parts.count == 2)
    }

    private static func number(_ text: some StringProtocol) -> Int? {
        guard (1...3).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }
}

extension PostfixRelease: CustomStringConvertible {
    package var description: String { "\(major).\(minor)" + (isSnapshot ? " (snapshot)" : "") }
}

extension Dialect {
    /// The newest dialect that `release` is sure to understand. A snapshot counts as the release before it: its name does
    /// not show whether it already has `policy_type`, and one unknown attribute stops all mail.
    package init(for release: PostfixRelease) {
        let known = (release.major, release.isSnapshot ? release.minor - 1 : release.minor)
        if known >= (3, 10) {
            self = .sts
        } else if known >= (3, 4) {
            self = .classic
        } else {
            self = .legacy
        }
    }

    /// Whether a Postfix that understands `other` understands this dialect too.
    package func isUnderstood(where other: Dialect) -> Bool {
        switch (self, other) {
        case (.legacy, _), (.classic, .classic), (.classic, .sts), (.sts, .sts): true
        case (.classic, .legacy), (.sts, .classic), (.sts, .legacy): false
        }
    }
}
