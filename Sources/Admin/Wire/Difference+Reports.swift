/// What one side of a comparison says of a thing.
private enum Statement: Equatable {
    case value(String)
    case none
    /// Nobody knows: not asked for yet, or could not find out.
    case unknown(String)

    var text: String {
        switch self {
        case .value(let text), .unknown(let text): text
        case .none: "none"
        }
    }

    /// Two that do not know say the same, whatever kept them from it.
    func differs(from other: Statement) -> Bool {
        if case (.unknown, .unknown) = (self, other) { false } else { self != other }
    }
}

extension Explained {
    /// The same with what `live` says otherwise.
    func compared(with live: QueryReport) -> Explained {
        Explained(
            key: key, domain: domain, port: port, host: host, at: at, answer: answer, withheld: withheld,
            dialect: dialect, order: order, observation: observation, known: known, entry: entry, next: next,
            archiveFailure: archiveFailure, dane: dane, failures: failures, lookups: lookups, live: live,
            differences: differences(from: live))
    }

    private func differences(from live: QueryReport) -> [Difference] {
        var found: [Difference] = []
        func compare(_ what: String, _ served: Statement, _ now: Statement) {
            if served.differs(from: now) { found.append(Difference(what: what, served: served.text, live: now.text)) }
        }
        // A discovery knows nothing of orders: what it would lead to is compared with what they keep back.
        let answer = withheld ?? answer
        if order == nil {
            compare("rule", .value(answer.rule), .value(live.rule))
            compare("reply", answer.replies[dialect].map(Statement.value) ?? .none, .value(live.reply))
        }
        compare("record", recordServed, live.recordFound)
        if let held, let published = live.policy {
            compare("mode", .value(held.mode), .value(published.mode))
            compare("max_age", .value("\(held.maxAge)"), .value("\(published.maxAge)"))
            compare("mx", .value(held.mx.joined(separator: " ")), .value(published.mx.joined(separator: " ")))
        } else {
            compare("policy", policyServed, live.policyFound)
        }
        if let dane, let now = live.dane {
            compare("dane mx", dane.mx.map(Statement.value) ?? .none, .value(now.mx))
            compare("dane hosts", .value(dane.hosts.judgements), .value(now.hosts.judgements))
        }
        return found
    }

    /// The policy that is applied.
    private var held: Policy? { entry?.policy.flatMap { $0.applied ? $0 : nil } }

    private var recordServed: Statement {
        if let id = held?.id ?? entry?.record?.id { return .value(id) }
        guard let record = entry?.record else { return .unknown(known.text) }
        return record.outcome == "failed" ? .unknown(record.text) : .none
    }

    private var policyServed: Statement {
        if let held { return .value("mode \(held.mode)") }
        return known.outcome == "unknown" ? .unknown(known.text) : .none
    }
}

extension QueryReport {
    /// Without an id it is the record that could not be found out.
    fileprivate var recordFound: Statement {
        if let id = record?.id { return .value(id) }
        return outcome == .unknown ? .unknown(record?.finding ?? "could not find out") : .none
    }

    fileprivate var policyFound: Statement {
        if let policy { return .value("mode \(policy.mode)") }
        guard outcome == .unknown else { return .none }
        return .unknown(fetch?.failure ?? record?.finding ?? "could not find out")
    }
}

extension [DANEHost] {
    fileprivate var judgements: String { map { "\($0.name): \($0.judgement)" }.joined(separator: "; ") }
}
