import DANE
import Discovery
import MTASTS
import PolicyService

extension Explained {
    /// - Parameters:
    ///   - replies: a decision in each dialect.
    ///   - live: a fresh discovery, where one was asked for.
    init(
        key: String, _ explanation: Explanation, dialect: String, replies: (Decision) -> [String: String],
        live: QueryReport? = nil
    ) {
        self.key = RemoteText.escaped(key)
        domain = explanation.destination.domain.name.text
        port = explanation.destination.port.map { Int($0) }
        host = explanation.destination.isHost
        at = Timestamp(explanation.at)
        let isNew = explanation.entry == nil
        answer = Answer(explanation.decision, replies(explanation.decision), isNew: isNew)
        withheld = explanation.withheld.map { Answer($0, replies($0), isNew: isNew) }
        self.dialect = dialect
        order = explanation.override.map(Order.init)
        observation = Observation(explanation.observing)
        known = Known(explanation.standing, isNew: isNew)
        entry = explanation.entry.map(Entry.init)
        next = Next(explanation.next)
        archiveFailure = explanation.archiveFailure.map { Shown.text($0) }
        dane = explanation.dane.map(DANEFound.init)
        failures = explanation.failures.map(PastFailure.init)
        lookups = explanation.lookups.map(PastLookup.init)
        self.live = live
        differences = nil
    }
}

extension Known {
    init(_ standing: Standing, isNew: Bool) {
        switch standing {
        case .policy(let held):
            self.init(outcome: "policy", text: "a living policy, mode \(held.policy.mode.rawValue)")
        case .noPolicy(let absence):
            self.init(outcome: "no-policy", text: Shown.text(absence))
        case .unknown(.unfinished) where isNew:
            self.init(outcome: "unknown", text: "nobody has asked for the domain yet")
        case .unknown(let ignorance):
            self.init(outcome: "unknown", text: "could not find out: \(Shown.text(ignorance))")
        }
    }
}

extension Next {
    init(_ next: NextLookup) {
        switch next {
        case .answeredAtOnce(let until): self.init(action: "answer", until: Timestamp(until), id: nil)
        case .joinsDiscovery: self.init(action: "join", until: nil, id: nil)
        case .looksIntoArchive: self.init(action: "read-archive", until: nil, id: nil)
        case .asksRecord: self.init(action: "ask-record", until: nil, id: nil)
        case .fetches(let id): self.init(action: "fetch", until: nil, id: id.text)
        }
    }
}

extension DANEFound {
    init(_ found: FindingReport) {
        (coverage, reason) = Self.words(for: found.standing)
        mx = found.finding.map { Shown.text($0.mx) }
        mxAnswer = found.report?.mx.map { Shown.text($0) }
        // The answers are kept for the newest findings only; the judgements for all.
        let steps = found.report?.hosts ?? []
        let judged = found.finding?.hosts ?? []
        hosts = judged.enumerated().map { DANEHost($1, steps: $0 < steps.count ? steps[$0] : []) }
        at = found.at.map(Timestamp.init)
        freshUntil = found.freshUntil.map(Timestamp.init)
        underWay = found.isUnderWay
    }

    private static func words(for standing: DANEStanding) -> (String, String?) {
        guard case .known(let coverage, let reason) = standing else { return ("off", nil) }
        let word =
            switch coverage {
            case .complete: "complete"
            case .partial: "partial"
            case .unknown: "unknown"
            case .notApplicable: "not-applicable"
            }
        return (word, reason.map { Shown.text($0) })
    }
}

extension DANEHost {
    package init(_ host: HostFinding, steps: [DNSStep]) {
        self.init(
            name: RemoteText.printable(host.name, limit: 253), judgement: Shown.text(host.ground),
            answers: steps.map { Shown.text($0) })
    }
}

extension PastFailure {
    init(_ failure: RecentFailure) {
        let (what, text) =
            switch failure.kind {
            case .record(let failure): ("record", Shown.text(failure))
            case .policy(let failure): ("policy", Shown.text(failure))
            case .dane(let failure, let port):
                ("dane", "\(Shown.text(failure)) (port \(port.map(String.init) ?? "unknown"))")
            }
        self.init(at: Timestamp(failure.at), what: what, text: text)
    }
}

extension PastLookup {
    init(_ lookup: RecentLookup) {
        self.init(
            at: Timestamp(lookup.at), rule: lookup.rule.rawValue, reply: lookup.reply,
            port: lookup.destination.port.map { Int($0) }, host: lookup.destination.isHost)
    }
}
