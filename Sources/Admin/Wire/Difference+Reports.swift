import PolicyService

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
        func compare(_ what: String, _ served: String?, _ now: String?) {
            let (served, now) = (served ?? "none", now ?? "none")
            if served != now { found.append(Difference(what: what, served: served, live: now)) }
        }
        let held = entry?.policy.flatMap { $0.applied ? $0 : nil }
        // A discovery knows nothing of orders: what it would lead to is compared with what they keep back.
        let answer = withheld ?? answer
        if order == nil {
            compare("rule", answer.rule, live.rule)
            compare("reply", answer.replies[dialect], live.reply)
        }
        compare("record", held?.id ?? entry?.record?.id, live.record?.id)
        switch (held, live.policy) {
        case (let held?, let published?):
            compare("mode", held.mode, published.mode)
            compare("max_age", "\(held.maxAge)", "\(published.maxAge)")
            compare("mx", held.mx.joined(separator: " "), published.mx.joined(separator: " "))
        case (let held, let published):
            compare("policy", held.map { "mode \($0.mode)" }, published.map { "mode \($0.mode)" } ?? live.lack)
        }
        if let dane, let now = live.dane {
            compare("dane mx", dane.mx, now.mx)
            compare("dane hosts", dane.hosts.judgements, now.hosts.judgements)
        }
        return found
    }
}

extension QueryReport {
    /// Why there is no policy now; `nil`: because there is none.
    fileprivate var lack: String? {
        switch outcome {
        case .policy, .noPolicy: nil
        case .unknown: fetch?.failure ?? record?.finding ?? "could not find out"
        }
    }
}

extension [DANEHost] {
    fileprivate var judgements: String { map { "\($0.name): \($0.judgement)" }.joined(separator: "; ") }
}
