import Foundation
import PolicyService
import PostfixSettings
import PostfixTable

/// What follows for us from the Postfix on this host, as far as there is one to ask.
struct PostfixAtHand {
    /// For tcp_table, and map names that choose none.
    let dialect: Dialect
    /// All the words it knows; `nil`: nobody could be asked.
    let understood: Dialect?
    let wantsDANE: Bool
    let decisions: DecisionSettings
    private let choices: PostfixChoices
    private let local: LocalPostfix?
    /// postconf is there and does not answer.
    let failure: PostconfFailure?

    /// Asks postconf, and blocks meanwhile: milliseconds, five seconds at most.
    ///
    /// - Parameter before: what it said last; that stands where it does not answer now.
    init(_ configuration: Configuration, before: PostfixAtHand? = nil) {
        var local: LocalPostfix?
        var failure: PostconfFailure?
        let searchPath = ProcessInfo.processInfo.environment["PATH"] ?? ""
        if let path = Postconf.find(searchPath: searchPath) {
            do throws(PostconfFailure) {
                local = try Postconf(path: path).ask()
            } catch {
                failure = error
                local = before?.local
            }
        }
        self.failure = failure
        var choices = configuration.postfix
        choices.noPolicyReply = configuration.decisions.noPolicyReply.entry
        dialect = choices.dialect(beside: local)
        understood = local?.release.map { Dialect(for: $0) }
        wantsDANE = choices.wantsDANE(beside: local) && configuration.dnssec != .off
        self.choices = choices
        self.local = local
        var decisions = configuration.decisions
        // Without a Postfix to ask: what most have, `may`.
        decisions.daneReply = (configuration.securityLevel ?? local?.securityLevel)?.daneReply ?? .dane
        self.decisions = decisions
    }

    /// - Parameter looksForDANE: whether we do; it may be wanted and not be possible.
    func conflicts(looksForDANE: Bool) -> [PostfixConflict] {
        PostfixConflict.all(choices, beside: local, looksForDANE: looksForDANE)
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
