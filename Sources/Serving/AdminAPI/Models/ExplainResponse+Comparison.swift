/// The value of one property, on one side of the comparison.
private enum Value: Equatable {
    case text(String)
    case none
    /// Could not find out, or not looked up yet.
    case unknown(String)

    var text: String {
        switch self {
        case .text(let text), .unknown(let text): text
        case .none: "none"
        }
    }

    /// Two unknown values do not differ, whatever the reasons.
    func differs(from other: Value) -> Bool {
        if case (.unknown, .unknown) = (self, other) { false } else { self != other }
    }
}

extension ExplainResponse {
    /// The same with a fresh discovery and its differences.
    package func compared(with live: QueryReport) -> ExplainResponse {
        var compared = self
        compared.live = live
        compared.differences = differences(from: live)
        return compared
    }

    private func differences(from live: QueryReport) -> [Difference] {
        var differences: [Difference] = []
        func compare(_ property: Difference.Property, cached: Value, live: Value) {
            guard cached.differs(from: live) else { return }
            differences.append(Difference(property: property, cached: cached.text, live: live.text))
        }
        // A discovery does not know observe mode: the comparison takes the answer that it suppresses.
        let answer = suppressed ?? answer
        if override == nil {
            compare(.rule, cached: .text(answer.rule.rawValue), live: .text(live.rule.rawValue))
            compare(.reply, cached: answer.replies[dialect].map(Value.text) ?? .none, live: .text(live.reply))
        }
        compare(.record, cached: cachedRecord, live: live.recordValue)
        if let cached = appliedPolicy?.published, let published = live.policy {
            compare(.mode, cached: .text(cached.mode.rawValue), live: .text(published.mode.rawValue))
            compare(.maxAge, cached: .text("\(cached.maxAge)"), live: .text("\(published.maxAge)"))
            compare(
                .mx, cached: .text(cached.mx.joined(separator: " ")), live: .text(published.mx.joined(separator: " ")))
        } else {
            compare(.policy, cached: cachedPolicy, live: live.policyValue)
        }
        if let cached = dane, let published = live.dane {
            compare(.daneMX, cached: cached.mx.map(Value.text) ?? .none, live: .text(published.mx))
            compare(.daneHosts, cached: .text(cached.hosts.summary), live: .text(published.hosts.summary))
        }
        return differences
    }

    private var appliedPolicy: PolicyDetails? { entry?.policy.flatMap { $0.applied ? $0 : nil } }

    private var cachedRecord: Value {
        if let id = appliedPolicy?.id ?? entry?.record?.id { return .text(id) }
        guard let record = entry?.record else { return .unknown(knowledge.text) }
        return record.outcome == .failed ? .unknown(record.text) : .none
    }

    private var cachedPolicy: Value {
        if let appliedPolicy { return .text("mode \(appliedPolicy.published.mode.rawValue)") }
        return knowledge.outcome == .unknown ? .unknown(knowledge.text) : .none
    }
}

extension QueryReport {
    /// If there is no id, the record itself could not be found out.
    fileprivate var recordValue: Value {
        if let id = record?.id { return .text(id) }
        return outcome == .unknown ? .unknown(record?.result ?? "could not find out") : .none
    }

    fileprivate var policyValue: Value {
        if let policy { return .text("mode \(policy.mode.rawValue)") }
        guard outcome == .unknown else { return .none }
        return .unknown(fetch?.failure ?? record?.result ?? "could not find out")
    }
}

extension [DANEHost] {
    fileprivate var summary: String { map { "\($0.name): \($0.status)" }.joined(separator: "; ") }
}
