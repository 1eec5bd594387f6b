import Discovery
import Metrics
import PolicyCaching
import PostfixTable
import Synchronization

/// Counts replies by protocol, rule and kind, deferred mail by reason, and measures the time of a reply.
///
/// Concurrency: any event loop. Made for hits, of which a loop serves 100,000 a second: no allocation, two short locks.
/// Security: labels are protocols, rules, kinds of replies and classes of reasons, never text from a peer or a domain.
final class LookupMetrics: Sendable {
    private let factory: any MetricsFactory
    private let duration: Timer
    private let deferrals: [DeferralReason: Counter]
    /// One for each table, rule and kind that has occurred.
    private let replies = Mutex([Counter?](repeating: nil, count: slots))

    init(_ factory: any MetricsFactory) {
        self.factory = factory
        duration = Timer(label: "sts_bridge_lookup_duration_seconds", factory: factory)
        // Made at the start: a series that begins with its first event hides that event from increase().
        let counters = DeferralReason.allCases.map { reason in
            let labels = [("reason", reason.rawValue)]
            return (reason, Counter(label: "sts_bridge_temporary_replies_total", dimensions: labels, factory: factory))
        }
        deferrals = Dictionary(counters) { first, _ in first }
    }

    /// - Parameters:
    ///   - rule: `nil`: the reply takes no decision.
    ///   - deferral: `nil`: the reply does not defer mail.
    ///   - nanoseconds: from the request to the reply.
    func count(
        _ reply: ReplyKind, table: TableProtocol, rule: Decision.Rule?, deferral: DeferralReason?, nanoseconds: Int64
    ) {
        counter(reply, table: table, rule: rule).increment()
        if let deferral { deferrals[deferral]?.increment() }
        duration.recordNanoseconds(nanoseconds)
    }

    private func counter(_ reply: ReplyKind, table: TableProtocol, rule: Decision.Rule?) -> Counter {
        let slot = Self.slot(reply, table: table, rule: rule)
        return replies.withLock { replies in
            if let known = replies[slot] { return known }
            let rule = rule?.rawValue ?? reply.ruleWithoutDecision
            let labels = [("table", table.rawValue), ("rule", rule), ("reply", reply.rawValue)]
            let new = Counter(label: "sts_bridge_lookups_total", dimensions: labels, factory: factory)
            replies[slot] = new
            return new
        }
    }

    // MARK: Slots

    private static let rules = Decision.Rule.allCases
    private static let kinds = ReplyKind.allCases
    /// For each table one row more than there are rules: for no rule.
    private static let slots = 2 * (rules.count + 1) * kinds.count

    private static func slot(_ reply: ReplyKind, table: TableProtocol, rule: Decision.Rule?) -> Int {
        let row = rule.flatMap { rules.firstIndex(of: $0) } ?? rules.count
        let rowOfTable = (table == .socketmap ? 0 : rules.count + 1) + row
        return rowOfTable * kinds.count + (kinds.firstIndex(of: reply) ?? 0)
    }
}

/// The kind of a reply, for the log and the metrics.
enum ReplyKind: String, CaseIterable, Sendable {
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

    /// The value of `rule` for a reply that takes no decision.
    var ruleWithoutDecision: String { self == .refused ? "malformed-request" : "no-policy-domain" }
}

/// The class of the reason why a reply makes Postfix defer mail.
enum DeferralReason: String, CaseIterable, Sendable {
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
    /// A DNS query for DANE failed below a signed name.
    case dane
    /// The domain is pinned to no name that a certificate can be compared with.
    case pin
    case noUsableMX = "no-usable-mx"
    /// The entry is longer than Postfix takes.
    case tooLong = "too-long"
    /// Postfix defers on PERM too.
    case malformedRequest = "malformed-request"

    /// - Parameter reply: the reply that follows from the decision.
    /// - Returns: `nil` if the reply does not defer mail.
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

    private init(_ category: PolicyFetchError.Category) {
        switch category {
        case .fetchError: self = .policyFetch
        case .webPKIInvalid: self = .policyCertificate
        case .policyInvalid: self = .policyInvalid
        }
    }
}
