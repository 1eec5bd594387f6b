import BridgeConfiguration
import PolicyCaching
import PostfixConfig
import PostfixTable

/// The settings that follow from the Postfix on this host, if there is one.
package struct DetectedPostfix: Sendable {
    /// The dialect for tcp_table, and for socketmap names that do not choose one.
    package let dialect: Dialect
    /// The newest dialect that this Postfix understands; `nil`: unknown.
    let understood: Dialect?
    package let wantsDANE: Bool
    /// `postfix.security-level`, or else the level of the services in master.cf, or else `may`.
    let securityLevel: SecurityLevel
    package let decisions: DecisionSettings
    let postconf: PostconfResult
    private let options: PostfixOptions
    /// `postfix.security-level`; `nil`: `auto`.
    private let configuredLevel: SecurityLevel?

    package init(_ configuration: Configuration, postconf: PostconfResult) {
        let profile = postconf.profile
        var options = configuration.postfix
        options.noPolicyReply = configuration.decisions.noPolicyReply.entry
        dialect = options.dialect(beside: profile)
        understood = profile?.release.map { Dialect(for: $0) }
        wantsDANE = options.wantsDANE(beside: profile) && configuration.dnssec != .off
        self.options = options
        configuredLevel = configuration.securityLevel
        self.postconf = postconf
        // Most sites use `may`.
        securityLevel = configuration.securityLevel ?? profile?.securityLevel ?? SecurityLevel("may")
        var decisions = configuration.decisions
        decisions.daneReply = securityLevel.daneReply
        self.decisions = decisions
    }

    /// - Parameter looksForDANE: whether the daemon looks up DANE records. It may be wanted but impossible.
    func conflicts(looksForDANE: Bool) -> [PostfixConflict] {
        PostfixConflict.all(
            options, beside: postconf.profile, securityLevel: configuredLevel, looksForDANE: looksForDANE)
    }

    /// - Throws: `DaemonError` if the configuration contradicts Postfix's settings.
    func check() throws(DaemonError) {
        guard let conflict = conflicts(looksForDANE: wantsDANE).first(where: { $0.consequence == .stopsTheStart })
        else { return }
        throw DaemonError(.configuration, reason: "\(conflict)")
    }
}

extension SecurityLevel {
    /// The replies that DANE may give at a site with this level.
    fileprivate var daneReply: DecisionSettings.DANEReply {
        if givesWayToDANE { return .dane }
        return givesWayToDANEOnly ? .daneOnly : .notFound
    }
}

extension DecisionSettings.NoPolicyReply {
    /// The reply as a policy table entry; `nil`: not found.
    package var entry: TLSPolicyEntry? {
        switch self {
        case .notFound: nil
        case .may: .may
        case .encrypt: .encrypt
        case .dane: .dane
        case .none: .cleartext
        }
    }
}
