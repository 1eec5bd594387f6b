import Discovery
import MTASTS
import Testing
import TestSupport

@testable import AdminAPI
@testable import AdminServer
@testable import PolicyCaching

/// The sentences of an explanation, and the differences from a fresh discovery.
@Suite struct ExplainResponseTests {
    private func cached(_ mode: String = "enforce") throws -> CachedPolicy {
        let text = Array(policyText(mode: mode).utf8)
        return CachedPolicy(
            try STSPolicy(text), id: try recordID("1"), fetchedAt: ManualTime().now)
    }

    @Test func `each rule has a sentence, and the section of the standard`() throws {
        let cached = try cached()
        let actions: [Decision.Action] = [
            .notFound, .secure(cached), .secureByNames([]), .dane, .daneOnly, .may, .encrypt, .cleartext,
            .deferred(.dane("no")), .deferred(.pinWithoutNames), .deferred(.policy(.unfinished)),
        ]
        for rule in Decision.Rule.allCases {
            for action in actions {
                let answer = Answer(Decision(rule: rule, action: action), replies: [:], isNew: false)
                #expect(answer.rule.rawValue == rule.rawValue)
                #expect(answer.reason.hasSuffix(".") && answer.reason.count > 30, "\(answer)")
                let isOverride = [.observe, .exempt, .pin].contains(rule)
                #expect(isOverride ? answer.section == nil : answer.section?.hasPrefix("RFC ") == true, "\(answer)")
            }
        }
    }

    @Test func `the sentence depends on the action`() throws {
        let cached = try cached()
        func reason(_ rule: Decision.Rule, action: Decision.Action, isNew: Bool = false) -> String {
            Answer(Decision(rule: rule, action: action), replies: [:], isNew: isNew).reason
        }
        #expect(reason(.exempt, action: .may).contains("TLS where it is offered"))
        #expect(reason(.exempt, action: .notFound).contains("own level"))
        #expect(reason(.pin, action: .deferred(.pinWithoutNames)).contains("mail waits"))
        #expect(reason(.pin, action: .secureByNames([])).contains("that the pin names"))
        #expect(reason(.pin, action: .secure(cached)).contains("its policy names"))
        #expect(reason(.testing, action: .secure(cached)).contains("policy.enforce-testing"))
        #expect(reason(.testing, action: .notFound).contains("as without a policy"))
        #expect(reason(.dane, action: .notFound).contains("own level demands more"))
        #expect(reason(.dane, action: .daneOnly).contains("no host without them"))
        #expect(reason(.daneUnknown, action: .deferred(.dane("x"))).contains("mail waits and is not sent unprotected"))
        #expect(reason(.unknown, action: .deferred(.policy(.unfinished))).contains("lookup.on-unknown"))
        #expect(reason(.unknown, action: .notFound, isNew: true).contains("Postfix has not looked the domain up"))
    }

    private let cachedResponse = Self.response(
        PolicyKnowledge(outcome: .policy, text: ""),
        entry: EntryResponse(
            domain: "example.com", state: .enforce,
            policy: PolicyDetails(
                PublishedPolicy(mode: .enforce, maxAge: 100, mx: ["mx.example.com"], warnings: []), id: "1",
                fetchedAt: Timestamp(ManualTime().now), expiresAt: Timestamp(ManualTime().now), applied: true),
            record: nil, failure: nil, failing: false, lastLookupAt: Timestamp(ManualTime().now), refreshAt: nil,
            inProgress: false, storeOnly: false))

    private static func response(_ knowledge: PolicyKnowledge, entry: EntryResponse?) -> ExplainResponse {
        ExplainResponse(
            key: "example.com", domain: "example.com", port: 25, host: false, at: Timestamp(ManualTime().now),
            answer: Answer(
                rule: .enforce, section: nil, reason: "", replies: ["classic": "OK secure match=a servername=b"]),
            suppressed: nil, dialect: "classic", override: nil,
            observeMode: ObserveModeResponse(ObserveMode(isConfigured: false, change: nil)), knowledge: knowledge,
            entry: entry,
            next: NextLookupDetails(action: .answer), storeFailure: nil,
            dane: DANEDetails(
                coverage: .complete, reason: nil, mx: "MX records, secure", mxAnswer: nil,
                hosts: [DANEHost(name: "mx.example.com", status: "fine", answers: [])], at: nil, freshUntil: nil,
                inProgress: false),
            failures: [], lookups: [], live: nil, differences: nil)
    }

    private func live(
        id: String? = "1", mode: PolicyMode = .enforce, maxAge: Int = 100, mx: [String] = ["mx.example.com"],
        status: String = "fine", rule: DecisionRule = .enforce
    ) -> QueryReport {
        QueryReport(
            key: "example.com", domain: "example.com", outcome: .policy,
            record: QueryReport.Record(name: "", id: id, result: "", ttl: 1, aliases: 0, milliseconds: 1),
            policy: PublishedPolicy(mode: mode, maxAge: maxAge, mx: mx, warnings: []),
            dane: QueryReport.DANE(
                mx: "MX records, secure", mxAnswer: nil,
                hosts: [DANEHost(name: "mx.example.com", status: status, answers: ["other"])], unknown: nil,
                milliseconds: 1),
            rule: rule, reply: "OK secure match=a servername=b", dialect: "classic")
    }

    private func differences(_ live: QueryReport, from response: ExplainResponse? = nil) -> [String] {
        let differences = (response ?? cachedResponse).compared(with: live).differences ?? []
        return differences.map { "\($0.property.rawValue): \($0.cached) -> \($0.live)" }
    }

    @Test func `a discovery with the same result has no differences`() {
        #expect(differences(live()) == [])
        #expect(cachedResponse.compared(with: live()).live == live())
    }

    @Test func `each difference has both values`() {
        #expect(differences(live(id: "2")) == ["record: 1 -> 2"])
        #expect(differences(live(id: nil)) == ["record: 1 -> none"])
        #expect(
            differences(live(mode: .testing, rule: .testing)) == [
                "rule: enforce -> testing", "mode: enforce -> testing",
            ])
        #expect(differences(live(maxAge: 99)) == ["max_age: 100 -> 99"])
        #expect(differences(live(mx: ["a", "b"])) == ["mx: mx.example.com -> a b"])
        #expect(differences(live(status: "bad")) == ["dane hosts: mx.example.com: fine -> mx.example.com: bad"])
    }

    @Test func `a policy that cannot be fetched now is not called none`() {
        let failed = QueryReport(
            key: "example.com", domain: "example.com", outcome: .unknown,
            record: QueryReport.Record(name: "", id: "1", result: "", ttl: 1, aliases: 0, milliseconds: 1),
            fetch: QueryReport.Fetch(
                url: "", address: nil, httpVersion: nil, milliseconds: 1, certificate: "invalid: expired", issuer: nil,
                notAfter: nil, failure: "certificate: expired", failureType: "sts-webpki-invalid"),
            rule: .unknown, reply: "NOTFOUND ", dialect: "classic")
        #expect(differences(failed).last == "policy: mode enforce -> certificate: expired")
    }

    private let unknown = QueryReport(
        key: "example.com", domain: "example.com", outcome: .unknown,
        record: QueryReport.Record(
            name: "", id: nil, result: "could not find out: SERVFAIL", ttl: 0, aliases: 0, milliseconds: 1),
        rule: .unknown, reply: "NOTFOUND ", dialect: "classic")

    @Test func `a record that could not be found out now is not called none`() {
        #expect(
            Array(differences(unknown).suffix(2)) == [
                "record: 1 -> could not find out: SERVFAIL", "policy: mode enforce -> could not find out: SERVFAIL",
            ])
    }

    @Test func `an unknown cached value is not called none, and two unknown values do not differ`() {
        let new = Self.response(PolicyKnowledge(outcome: .unknown, text: "not looked up"), entry: nil)
        #expect(differences(unknown, from: new).map { $0.prefix(5) } == ["rule:", "reply"])
        #expect(
            differences(live(), from: new) == [
                "record: not looked up -> 1", "policy: not looked up -> mode enforce",
            ])
        let failed = RecordDetails(
            outcome: .failed, id: nil, text: "no answer", at: Timestamp(ManualTime().now),
            freshUntil: Timestamp(ManualTime().now))
        let entry = EntryResponse(
            domain: "example.com", state: .unknown, policy: nil, record: failed, failure: nil, failing: true,
            lastLookupAt: Timestamp(ManualTime().now), refreshAt: nil, inProgress: false, storeOnly: false)
        let failing = Self.response(
            PolicyKnowledge(outcome: .unknown, text: "could not find out: no answer"), entry: entry)
        #expect(
            differences(live(), from: failing) == [
                "record: no answer -> 1", "policy: could not find out: no answer -> mode enforce",
            ])
        let none = Self.response(PolicyKnowledge(outcome: .noPolicy, text: ""), entry: nil)
        #expect(differences(live(), from: none).last == "policy: none -> mode enforce")
    }

    @Test func `untrusted text has no escape sequence left`() throws {
        let failure = RecentFailure(
            domain: try domain("example.com"), at: ManualTime().now,
            kind: .policy(.earlier(.fetchError, "\u{1B}[31m\n\u{202E}" + String(repeating: "x", count: 2_000))))
        let shown = FailureEvent(failure)
        #expect(shown.text.utf8.allSatisfy { (0x20...0x7E).contains($0) })
        #expect(shown.text.count < 600)
    }
}
