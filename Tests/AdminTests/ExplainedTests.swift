import Discovery
import MTASTS
import Testing
import TestSupport

@testable import Admin
@testable import PolicyService

/// What an explanation says in words, and what a fresh discovery says otherwise.
@Suite struct ExplainedTests {
    private func held(_ mode: String = "enforce") throws -> HeldPolicy {
        let text = Array(policyText(mode: mode).utf8)
        return HeldPolicy(
            FetchedPolicy(policy: try STSPolicy(text), text: text), id: try recordID("1"), fetchedAt: ManualTime().now)
    }

    @Test func `each rule says why in a sentence, and where the standard says so`() throws {
        let held = try held()
        let actions: [Decision.Action] = [
            .notFound, .secure(held), .secureByNames([]), .dane, .daneOnly, .may, .encrypt, .cleartext,
            .deferred(.dane("no")), .deferred(.pinWithoutNames), .deferred(.policy(.unfinished)),
        ]
        for rule in Decision.Rule.allCases {
            for action in actions {
                let answer = Answer(Decision(rule: rule, action: action), [:], isNew: false)
                #expect(answer.rule == rule.rawValue)
                #expect(answer.why.hasSuffix(".") && answer.why.count > 30, "\(answer)")
                let isOperators = [.observe, .exempt, .pin].contains(rule)
                #expect(isOperators ? answer.section == nil : answer.section?.hasPrefix("RFC ") == true, "\(answer)")
            }
        }
    }

    @Test func `what follows from a rule is in its words`() throws {
        let held = try held()
        func why(_ rule: Decision.Rule, _ action: Decision.Action, isNew: Bool = false) -> String {
            Answer(Decision(rule: rule, action: action), [:], isNew: isNew).why
        }
        #expect(why(.exempt, .may).contains("TLS where it is offered"))
        #expect(why(.exempt, .notFound).contains("own level"))
        #expect(why(.pin, .deferred(.pinWithoutNames)).contains("mail waits"))
        #expect(why(.pin, .secureByNames([])).contains("the pin's names"))
        #expect(why(.pin, .secure(held)).contains("its policy names"))
        #expect(why(.testing, .secure(held)).contains("policy.enforce-testing"))
        #expect(why(.testing, .notFound).contains("as if there were none"))
        #expect(why(.dane, .notFound).contains("own level demands more"))
        #expect(why(.dane, .daneOnly).contains("no host without them"))
        #expect(why(.daneUnknown, .deferred(.dane("x"))).contains("mail waits rather than go unprotected"))
        #expect(why(.unknown, .deferred(.policy(.unfinished))).contains("lookup.on-unknown"))
        #expect(why(.unknown, .notFound, isNew: true).contains("Nobody has asked"))
    }

    private let served = Self.explained(
        Known(outcome: "policy", text: ""),
        Entry(
            domain: "example.com", state: "enforce",
            policy: Policy(
                mode: "enforce", id: "1", maxAge: 100, mx: ["mx.example.com"], notices: [],
                fetchedAt: Timestamp(ManualTime().now), expiresAt: Timestamp(ManualTime().now), applied: true),
            record: nil, failure: nil, failing: false, askedAt: Timestamp(ManualTime().now), refreshAt: nil,
            underWay: false, inArchiveOnly: false))

    private static func explained(_ known: Known, _ entry: Entry?) -> Explained {
        Explained(
            key: "example.com", domain: "example.com", port: 25, host: false, at: Timestamp(ManualTime().now),
            answer: Answer(
                rule: "enforce", section: nil, why: "", replies: ["classic": "OK secure match=a servername=b"]),
            withheld: nil, dialect: "classic", order: nil,
            observation: Observation(Observing(isConfigured: false, order: nil)), known: known, entry: entry,
            next: Next(action: "answer", until: nil, id: nil), archiveFailure: nil,
            dane: DANEFound(
                coverage: "complete", reason: nil, mx: "MX records, secure", mxAnswer: nil,
                hosts: [DANEHost(name: "mx.example.com", judgement: "fine", answers: [])], at: nil, freshUntil: nil,
                underWay: false),
            failures: [], lookups: [], live: nil, differences: nil)
    }

    private func live(
        id: String? = "1", mode: String = "enforce", maxAge: Int = 100, mx: [String] = ["mx.example.com"],
        judgement: String = "fine", rule: String = "enforce"
    ) -> QueryReport {
        QueryReport(
            key: "example.com", domain: "example.com", outcome: .policy,
            record: QueryReport.Record(name: "", id: id, finding: "", ttl: 1, aliases: 0, milliseconds: 1),
            policy: QueryReport.Policy(mode: mode, maxAge: maxAge, mx: mx, notices: []),
            dane: QueryReport.DANE(
                mx: "MX records, secure", mxAnswer: nil,
                hosts: [DANEHost(name: "mx.example.com", judgement: judgement, answers: ["other"])], unknown: nil,
                milliseconds: 1),
            rule: rule, reply: "OK secure match=a servername=b", dialect: "classic")
    }

    private func differences(_ live: QueryReport, from served: Explained? = nil) -> [String] {
        let differences = (served ?? self.served).compared(with: live).differences ?? []
        return differences.map { "\($0.what): \($0.served) -> \($0.live)" }
    }

    @Test func `a discovery that says the same has no differences`() {
        #expect(differences(live()) == [])
        #expect(served.compared(with: live()).live == live())
    }

    @Test func `each thing that differs is named with both`() {
        #expect(differences(live(id: "2")) == ["record: 1 -> 2"])
        #expect(differences(live(id: nil)) == ["record: 1 -> none"])
        #expect(
            differences(live(mode: "testing", rule: "testing")) == [
                "rule: enforce -> testing", "mode: enforce -> testing",
            ])
        #expect(differences(live(maxAge: 99)) == ["max_age: 100 -> 99"])
        #expect(differences(live(mx: ["a", "b"])) == ["mx: mx.example.com -> a b"])
        #expect(differences(live(judgement: "bad")) == ["dane hosts: mx.example.com: fine -> mx.example.com: bad"])
    }

    @Test func `a policy that cannot be fetched now is not called none`() {
        let failed = QueryReport(
            key: "example.com", domain: "example.com", outcome: .unknown,
            record: QueryReport.Record(name: "", id: "1", finding: "", ttl: 1, aliases: 0, milliseconds: 1),
            fetch: QueryReport.Fetch(
                url: "", address: nil, httpVersion: nil, milliseconds: 1, certificate: "invalid: expired", issuer: nil,
                notAfter: nil, failure: "certificate: expired", failureType: "sts-webpki-invalid"),
            rule: "unknown", reply: "NOTFOUND ", dialect: "classic")
        #expect(differences(failed).last == "policy: mode enforce -> certificate: expired")
    }

    private let unasked = QueryReport(
        key: "example.com", domain: "example.com", outcome: .unknown,
        record: QueryReport.Record(
            name: "", id: nil, finding: "could not find out: SERVFAIL", ttl: 0, aliases: 0, milliseconds: 1),
        rule: "unknown", reply: "NOTFOUND ", dialect: "classic")

    @Test func `a record that could not be found out now is not called none`() {
        #expect(
            Array(differences(unasked).suffix(2)) == [
                "record: 1 -> could not find out: SERVFAIL", "policy: mode enforce -> could not find out: SERVFAIL",
            ])
    }

    @Test func `what was not known is not called none either, and two that do not know do not differ`() {
        let new = Self.explained(Known(outcome: "unknown", text: "nobody has asked"), nil)
        #expect(differences(unasked, from: new).map { $0.prefix(5) } == ["rule:", "reply"])
        #expect(
            differences(live(), from: new) == [
                "record: nobody has asked -> 1", "policy: nobody has asked -> mode enforce",
            ])
        let failed = Record(
            outcome: "failed", id: nil, text: "no answer", at: Timestamp(ManualTime().now),
            freshUntil: Timestamp(ManualTime().now))
        let entry = Entry(
            domain: "example.com", state: "unknown", policy: nil, record: failed, failure: nil, failing: true,
            askedAt: Timestamp(ManualTime().now), refreshAt: nil, underWay: false, inArchiveOnly: false)
        let unknown = Self.explained(Known(outcome: "unknown", text: "could not find out: no answer"), entry)
        #expect(
            differences(live(), from: unknown) == [
                "record: no answer -> 1", "policy: could not find out: no answer -> mode enforce",
            ])
        let none = Self.explained(Known(outcome: "no-policy", text: ""), nil)
        #expect(differences(live(), from: none).last == "policy: none -> mode enforce")
    }

    @Test func `strangers' text has no escape sequence left`() throws {
        let failure = RecentFailure(
            domain: try domain("example.com"), at: ManualTime().now,
            kind: .policy(.earlier(.fetchError, "\u{1B}[31m\n\u{202E}" + String(repeating: "x", count: 2_000))))
        let shown = PastFailure(failure)
        #expect(shown.text.utf8.allSatisfy { (0x20...0x7E).contains($0) })
        #expect(shown.text.count < 600)
    }
}
