import AdminAPI
import PolicyCaching

extension OverrideResponse {
    init(_ override: Override) {
        let (reply, match): (ExemptionReply?, [String]?) =
            switch override.kind {
            case .exempt(let mayEncrypt): (mayEncrypt ? .may : .notFound, nil)
            case .pin(let names): (nil, names.map(\.description))
            }
        self.init(
            domain: override.domain.name.text, kind: OverrideKind(override.kind.category), as: reply, match: match,
            reason: override.reason, author: override.author, since: Timestamp(override.since),
            until: override.until.map(Timestamp.init))
    }
}

extension OverrideChangeResponse {
    init(_ override: Override, replaced: Override? = nil, change: OverrideChange) {
        let (isSaved, warning) = change.saving
        self.init(
            override: OverrideResponse(override), replaced: replaced.map(OverrideResponse.init), saved: isSaved,
            warning: warning)
    }
}

extension ObserveModeResponse {
    init(_ mode: ObserveMode, change: OverrideChange? = nil) {
        self.init(
            observing: mode.isOn, configured: mode.isConfigured, author: mode.change?.author,
            since: mode.change.map { Timestamp($0.since) }, saved: change?.saving.isSaved,
            warning: change?.saving.warning)
    }
}

extension OverrideChange {
    /// Whether the cache file has the change, or why not.
    var saving: (isSaved: Bool, warning: String?) {
        switch self {
        case .saved: (true, nil)
        case .inMemoryOnly(let reason): (false, Sanitized.text(reason))
        }
    }
}
