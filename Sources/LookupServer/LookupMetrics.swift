import Discovery
import Metrics
import PolicyService
import PostfixTable
import Synchronization

/// Counts replies: what was said by which rule, why mail has to wait, and how long it took.
///
/// Concurrency: any event loop. Made for hits, of which a loop serves 100,000 a second: no allocation, two short locks.
/// Labels: protocols, rules, words of replies and classes of reasons alone; nothing that a peer or a stranger has written.
final class LookupMetrics: Sendable {
    private let factory: any MetricsFactory
    private let duration: Timer
    private let holding: [HoldingCause: Counter]
    /// One for each table, rule and word that has occurred.
    private let replies = Mutex([Counter?](repeating: nil, count: places))

    init(_ factory: any MetricsFactory) {
        self.factory = factory
        duration = Timer(label: "sts_bridge_lookup_duration_seconds", factory: factory)
        // Made beforehand: a series that begins with its first event hides that event from increase().
        let counters = HoldingCause.allCases.map { cause in
            let labels = [("reason", cause.rawValue)]
            return (cause, Counter(label: "sts_bridge_temporary_replies_total", dimensions: labels, factory: factory))
        }
        holding = Dictionary(counters) { first, _ in first }
    }

    /// - Parameters:
    ///   - rule: `nil`: nothing had to be decided.
    ///   - cause: why mail has to wait; `nil`: it has not.
    ///   - nanoseconds: from the request to the reply.
    func count(
        _ table: TableProtocol, rule: Decision.Rule?, _ word: ReplyWord, cause: HoldingCause?, nanoseconds: Int64
    ) {
        counter(table, rule, word).increment()
        if let cause { holding[cause]?.increment() }
        duration.recordNanoseconds(nanoseconds)
    }

    private func counter(_ table: TableProtocol, _ rule: Decision.Rule?, _ word: ReplyWord) -> Counter {
        let place = Self.place(table, rule, word)
        return replies.withLock { replies in
            if let known = replies[place] { return known }
            let rule = rule?.rawValue ?? word.ruleWithoutDecision
            let labels = [("table", table.rawValue), ("rule", rule), ("reply", word.rawValue)]
            let new = Counter(label: "sts_bridge_lookups_total", dimensions: labels, factory: factory)
            replies[place] = new
            return new
        }
    }

    // MARK: Places

    private static let rules = Decision.Rule.allCases
    private static let words = ReplyWord.allCases
    /// One rule more: none.
    private static let places = 2 * (rules.count + 1) * words.count

    private static func place(_ table: TableProtocol, _ rule: Decision.Rule?, _ word: ReplyWord) -> Int {
        let row = rule.flatMap { rules.firstIndex(of: $0) } ?? rules.count
        let rowOfTable = (table == .socketmap ? 0 : rules.count + 1) + row
        return rowOfTable * words.count + (words.firstIndex(of: word) ?? 0)
    }
}

/// A reply in one word, for the log and the metrics.
enum ReplyWord: String, CaseIterable, Sendable {
    case notFound = "not-found"
    case secure
    case dane
    case daneOnly = "dane-only"
    case may
    case encrypt
    case none
    case temporary
    case refused

    init(_ reply: TableReply) {
        self =
            switch reply {
            case .notFound: .notFound
            case .entry(.secure): .secure
            case .entry(.dane): .dane
            case .entry(.daneOnly): .daneOnly
            case .entry(.may): .may
            case .entry(.encrypt): .encrypt
            case .entry(.cleartext): .none
            case .temporary: .temporary
            case .refused: .refused
            }
    }

    /// What stands for a rule where nothing had to be decided.
    var ruleWithoutDecision: String { self == .refused ? "malformed-request" : "no-policy-domain" }
}

/// Why a reply makes Postfix hold mail: the class of its reason.
enum HoldingCause: String, CaseIterable, Sendable {
    /// The TXT query failed.
    case record
    /// The policy cannot be fetched.
    case policyFetch = "policy-fetch"
    /// The policy host's certificate is wrong.
    case policyCertificate = "policy-certificate"
    case policyInvalid = "policy-invalid"
    /// This host failed: no descriptor, no route, no free fetch slot.
    case local
    /// The discovery was not finished in time.
    case unfinished
    /// A question for DANE failed below a signed name.
    case dane
    /// The domain is pinned to nothing that a certificate could be held against.
    case pin
    case noUsableMX = "no-usable-mx"
    /// The entry is longer than Postfix takes.
    case tooLong = "too-long"
    /// Postfix defers on PERM too.
    case malformedRequest = "malformed-request"

    /// - Returns: `nil` where `reply`, which says what was decided, holds no mail.
    init?(_ decision: Decision, as reply: TableReply) {
        guard case .temporary = reply else { return nil }
        switch decision.action {
        case .deferred(.policy(.record)): self = .record
        case .deferred(.policy(.policy(let failure))): self = failure.category.map(Self.init) ?? .local
        case .deferred(.policy(.local)): self = .local
        case .deferred(.policy(.unfinished)): self = .unfinished
        case .deferred(.dane): self = .dane
        case .deferred(.pinWithoutNames), .secureByNames: self = .pin
        case .secure: self = .noUsableMX
        case .notFound, .dane, .daneOnly, .may, .encrypt, .cleartext: return nil
        }
    }

    private init(_ category: PolicyFailure.Category) {
        switch category {
        case .fetchError: self = .policyFetch
        case .webPKIInvalid: self = .policyCertificate
        case .policyInvalid: self = .policyInvalid
        }
    }
}
