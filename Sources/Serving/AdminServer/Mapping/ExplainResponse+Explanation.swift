import AdminAPI
import DANE
import Discovery
import MTASTS
import PolicyCaching
import TextFormats

extension ExplainResponse {
    /// - Parameter replies: returns the reply in each dialect.
    init(_ explanation: Explanation, key: String, dialect: String, replies: (Decision) -> [String: String]) {
        let isNew = explanation.entry == nil
        let destination = explanation.destination
        self.init(
            key: UntrustedText.escaped(key), domain: destination.domain.name.text,
            port: destination.port.map { Int($0) }, host: destination.isHost, at: Timestamp(explanation.at),
            answer: Answer(explanation.decision, replies: replies(explanation.decision), isNew: isNew),
            suppressed: explanation.suppressed.map { Answer($0, replies: replies($0), isNew: isNew) },
            dialect: dialect, override: explanation.override.map(OverrideResponse.init),
            observeMode: ObserveModeResponse(explanation.observing),
            knowledge: PolicyKnowledge(explanation.status, isNew: isNew),
            entry: explanation.entry.map(EntryResponse.init), next: NextLookupDetails(explanation.next),
            storeFailure: explanation.storeError.map { Sanitized.text($0) },
            dane: explanation.dane.map(DANEDetails.init), failures: explanation.failures.map(FailureEvent.init),
            lookups: explanation.lookups.map(LookupEvent.init))
    }
}

extension PolicyKnowledge {
    init(_ status: PolicyStatus, isNew: Bool) {
        switch status {
        case .policy(let cached):
            self.init(outcome: .policy, text: "a policy in mode \(cached.policy.mode.rawValue)")
        case .noPolicy(let absence):
            self.init(outcome: .noPolicy, text: Sanitized.text(absence))
        case .unknown(.unfinished) where isNew:
            self.init(outcome: .unknown, text: "Postfix has not looked the domain up yet")
        case .unknown(let reason):
            self.init(outcome: .unknown, text: "could not find out: \(Sanitized.text(reason))")
        }
    }
}

extension NextLookupDetails {
    init(_ next: NextLookup) {
        switch next {
        case .answeredAtOnce(let until): self.init(action: .answer, until: Timestamp(until))
        case .joinsDiscovery: self.init(action: .join)
        case .readsStore: self.init(action: .readStore)
        case .queriesRecord: self.init(action: .queryRecord)
        case .fetches(let id): self.init(action: .fetch, id: id.text)
        }
    }
}

extension DANEDetails {
    init(_ report: DANEEntryReport) {
        let (coverage, reason) = Self.coverage(report.status)
        // The cache has the answers of the newest results only, but the status of every host.
        let traces = report.report?.hosts ?? []
        let hosts = report.result?.hosts ?? []
        self.init(
            coverage: coverage, reason: reason, mx: report.result.map { Sanitized.text($0.mx) },
            mxAnswer: report.report?.mx.map { Sanitized.text($0) },
            hosts: hosts.enumerated().map { index, host in
                DANEHost(host, traces: index < traces.count ? traces[index] : [])
            }, at: report.at.map(Timestamp.init), freshUntil: report.freshUntil.map(Timestamp.init),
            inProgress: report.isInProgress)
    }

    private static func coverage(_ status: DANEStatus) -> (Coverage, reason: String?) {
        guard case .known(let coverage, let reason) = status else { return (.off, nil) }
        return (Coverage(coverage), reason.map { Sanitized.text($0) })
    }
}

extension DANEHost {
    package init(_ host: MXHostResult, traces: [DNSQueryTrace]) {
        self.init(
            name: UntrustedText.printable(host.name, limit: 253), status: Sanitized.text(host.reason),
            answers: traces.map { Sanitized.text($0) })
    }
}

extension FailureEvent {
    init(_ failure: RecentFailure) {
        let (kind, text): (Kind, String) =
            switch failure.kind {
            case .record(let error): (.record, Sanitized.text(error))
            case .policy(let error): (.policy, Sanitized.text(error))
            case .dane(let error, let port):
                (.dane, "\(Sanitized.text(error)) (port \(port.map(String.init) ?? "unknown"))")
            }
        self.init(at: Timestamp(failure.at), kind: kind, text: text)
    }
}

extension LookupEvent {
    init(_ lookup: RecentLookup) {
        self.init(
            at: Timestamp(lookup.at), rule: DecisionRule(lookup.rule), reply: lookup.reply,
            port: lookup.destination.port.map { Int($0) }, host: lookup.destination.isHost)
    }
}
