import TextFormats

/// Whether a change by the operator is durable. It is in force at once in both cases.
package enum OverrideChange: Equatable, Sendable {
    case saved
    /// It is lost at the next restart, unless the store works again before. The text is the reason.
    case inMemoryOnly(String)
}

/// Why an override is rejected.
package enum OverrideError: Error, Equatable, Sendable {
    case tooMany(limit: Int)
    case hasEnded
}

extension OverrideError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooMany(let limit): "\(limit) domains are exempted or pinned already: remove some first"
        case .hasEnded: "the end of the override is in the past: set a later end"
        }
    }
}

/// The operator switched observe mode on or off at run time.
package struct ObserveModeChange: Equatable, Sendable {
    package let isOn: Bool
    /// The operator: the user name of the admin socket's peer.
    package let author: String
    package let since: WallTime

    package init(isOn: Bool, author: String, since: WallTime) {
        self.isOn = isOn
        self.author = author
        self.since = since
    }
}

/// Whether observe mode is on: Postfix gets no policy, and decisions are only logged and counted.
///
/// The configuration (`policy.observe`) can switch it on permanently. If it does not, the operator's last change counts.
package struct ObserveMode: Equatable, Sendable {
    package let isConfigured: Bool
    /// The operator's last change, which survives a restart; `nil`: there was none.
    package let change: ObserveModeChange?

    package init(isConfigured: Bool, change: ObserveModeChange?) {
        self.isConfigured = isConfigured
        self.change = change
    }

    package var isOn: Bool { isConfigured || change?.isOn == true }
}
