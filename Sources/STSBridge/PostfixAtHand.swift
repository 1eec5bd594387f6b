import PolicyService
import PostfixSettings
import PostfixTable

/// What follows from the Postfix on this host, if there is one.
struct PostfixAtHand: Sendable {
    /// For tcp_table, and map names that choose none.
    let dialect: Dialect
    /// All the words it knows; `nil`: nobody could be asked.
    let understood: Dialect?
    let wantsDANE: Bool
    /// The site's own level: `postfix.security-level`, else what follows from the services of master.cf, else `may`.
    let securityLevel: SecurityLevel
    let decisions: DecisionSettings
    let answer: PostfixAnswer
    private let choices: PostfixChoices
    /// `postfix.security-level`; `nil`: `auto`.
    private let configuredLevel: SecurityLevel?

    init(_ configuration: Configuration, _ answer: PostfixAnswer) {
        let local = answer.local
        var choices = configuration.postfix
        choices.noPolicyReply = configuration.decisions.noPolicyReply.entry
        dialect = choices.dialect(beside: local)
        understood = local?.release.map { Dialect(for: $0) }
        wantsDANE = choices.wantsDANE(beside: local) && configuration.dnssec != .off
        self.choices = choices
        configuredLevel = configuration.securityLevel
        self.answer = answer
        // `may` is what most sites have.
        securityLevel = configuration.securityLevel ?? local?.securityLevel ?? SecurityLevel("may")
        var decisions = configuration.decisions
        decisions.daneReply = securityLevel.daneReply
        self.decisions = decisions
    }

    /// - Parameter looksForDANE: whether we do; it may be wanted and not be possible.
    func conflicts(looksForDANE: Bool) -> [PostfixConflict] {
        PostfixConflict.all(
            choices, beside: answer.local, securityLevel: configuredLevel, looksForDANE: looksForDANE)
    }

    /// - Throws: `CommandFailure` for what stops the start.
    func check() throws(CommandFailure) {
        guard let conflict = conflicts(looksForDANE: wantsDANE).first(where: { $0.consequence == .stopsTheStart })
        else { return }
        throw CommandFailure(.usage, "\(conflict)")
    }
}

extension SecurityLevel {
    /// What DANE may answer where this level is the site's own.
    fileprivate var daneReply: DecisionSettings.DANEReply {
        if givesWayToDANE { return .dane }
        return givesWayToDANEOnly ? .daneOnly : .notFound
    }
}

extension DecisionSettings.NoPolicyReply {
    /// What it is in Postfix's words; `nil`: not found.
    var entry: TLSPolicyEntry? {
        switch self {
        case .notFound: nil
        case .may: .may
        case .encrypt: .encrypt
        case .dane: .dane
        case .none: .cleartext
        }
    }
}
