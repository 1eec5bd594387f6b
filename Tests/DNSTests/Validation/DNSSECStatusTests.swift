import Discovery
import TestSupport
import Testing

@testable import UnboundDNS

/// The decision over the answers of a probe, row by row.
@Suite struct DNSSECStatusTests {
    private typealias Answer = DNSSECProbe.Answer

    private static let questions = [
        DNSQuestion(name: ".", type: .ns), DNSQuestion(name: ".", type: .dnskey), DNSQuestion(name: "com", type: .ns),
        DNSQuestion(name: "org", type: .ns), DNSQuestion(name: "se", type: .ns),
    ]

    /// `S` secure, `I` insecure, `B` bogus, `T` timed out, `F` SERVFAIL, `L` local, `M` malformed, `C` cancelled.
    private static func answer(_ letter: Character, to question: DNSQuestion) -> Answer {
        func validated(_ isSecure: Bool) -> Answer {
            .success(
                ValidatedAnswer(DNSAnswer(question: question, content: .noData, timeToLive: 1), isSecure: isSecure))
        }
        func failure(_ cause: DNSError.Cause) -> Answer {
            .failure(DNSError(question: question, cause: cause, servers: ["192.0.2.53"]))
        }
        return switch letter {
        case "S": validated(true)
        case "I": validated(false)
        case "B": failure(.bogus("why"))
        case "T": failure(.timedOut(after: .seconds(5)))
        case "F": failure(.responseCode(2))
        case "L": failure(.local("no descriptor"))
        case "M": failure(.malformedAnswer("x"))
        default: failure(.cancelled)
        }
    }

    private static let now = ContinuousClock.now

    /// - Parameter letters: of `questions`.
    private static func status(
        _ letters: String, bogus: Character = "B", secondsAgo: Int? = nil
    ) -> DNSSECStatus {
        let answers = zip(letters, questions).map { answer($0, to: $1) }
        return DNSSECStatus(
            DNSSECProbe.Answers(
                root: Array(answers[..<2]), topLevel: Array(answers[2...]),
                bogus: answer(bogus, to: DNSQuestion(name: "bogus.test", type: .a))),
            lastSecureAnswer: secondsAgo.map { now - .seconds($0) }, now: now)
    }

    private static func word(_ status: DNSSECStatus) -> String {
        switch status {
        case .works(let failed, _): "works" + failed.map { " -\($0.question.name)" }.joined()
        case .worksElsewhere(let failed): "elsewhere \(failed.count)"
        case .stripped(let failed): "stripped \(failed.count)"
        case .unreachable(let failed): "unreachable \(failed.count)"
        }
    }

    @Test(arguments: [
        ("SSSSS", "works"),
        // One zone is bogus, silent or insecure: its own names only.
        ("SSSBS", "works -org"), ("SSSTS", "works -org"), ("SSSIS", "works -org"), ("SSSFS", "works -org"),
        // The root alone validates: nothing strips.
        ("SSBBB", "works -com -org -se"), ("STBBB", "works -. -com -org -se"), ("BSTTT", "works -. -com -org -se"),
        // One name alone validates, whatever the root's answers were.
        ("BBBBS", "works -. -. -com -org"), ("TTTST", "works -. -. -com -se"),
        // Answers arrive and nothing validates.
        ("BBBBB", "stripped 5"), ("IIIII", "stripped 5"), ("BIBIB", "stripped 5"), ("BBTTT", "stripped 5"),
        ("BBFBL", "stripped 5"),
        // Nothing was found out: a root's answer is missing.
        ("TTTTT", "unreachable 5"), ("FFFFF", "unreachable 5"), ("LLLLL", "unreachable 5"),
        ("CCCCC", "unreachable 5"), ("MMMMM", "unreachable 5"), ("BTBBB", "unreachable 5"),
        ("TBBBB", "unreachable 5"), ("BFBBB", "unreachable 5"), ("BLBBB", "unreachable 5"),
        ("TTBBB", "unreachable 5"), ("TTTBT", "unreachable 5"),
    ])
    func `stripped means that both root answers arrived and nothing at all validates`(letters: String, word: String) {
        #expect(Self.word(Self.status(letters)) == word)
    }

    @Test(arguments: [
        ("BBBBB", 0, "elsewhere 5"), ("BBBBB", 599, "elsewhere 5"), ("BBBBB", 600, "stripped 5"),
        ("IIIII", 300, "elsewhere 5"), ("TTTTT", 1, "unreachable 5"), ("SSSBS", 700, "works -org"),
    ])
    func `any secure answer of the last 10 minutes vetoes stripped, and nothing else`(
        letters: String, secondsAgo: Int, word: String
    ) {
        #expect(Self.word(Self.status(letters, secondsAgo: secondsAgo)) == word)
    }

    @Test func `the bogus name causes a warning if its answer is insecure, and never decides`() {
        for bogus in "SIBTFLMC" {
            let warning = "bogus.test A had an insecure answer instead of a bogus one"
            #expect(
                Self.status("SSSSS", bogus: bogus) == .works(failed: [], warning: bogus == "I" ? warning : nil))
            #expect(Self.word(Self.status("BBBBB", bogus: bogus)) == "stripped 5")
            #expect(Self.word(Self.status("TTTTT", bogus: bogus)) == "unreachable 5")
        }
    }

    @Test func `each name that fails is listed with its reason`() {
        let expected = [
            "org NS: bogus: why (servers 192.0.2.53)", "se NS: insecure answer for a signed name",
        ]
        #expect(Self.status("SSSBI").failures == expected)
        #expect(
            Self.status("TTTTT").failures.first == ". NS: no answer within 5 s (servers 192.0.2.53)")
    }

    // MARK: The questions

    @Test func `the root and four top-level domains are asked`() {
        let names = DNSSECProbe.Names.onTheInternet
        #expect(names.root.map(\.description) == [". NS", ". DNSKEY"])
        #expect(names.topLevel.count >= 3 && Set(names.topLevel).count == names.topLevel.count)
    }

    @Test func `each question begins a pause after the one before it`() async throws {
        let clock = ManualTime()
        let resolver = ScriptedValidatingResolver()
        let names = DNSSECProbe.Names(
            root: [Self.questions[0]], topLevel: [Self.questions[2]], bogus: DNSQuestion(name: "bogus.test", type: .a))
        let probe = DNSSECProbe(
            resolver, names: names, pause: { .seconds(3) }, sleep: { try await clock.sleep($0) })
        async let answers = probe.answers()
        for count in 1...3 {
            while resolver.asked.count < count, !Task.isCancelled { await Task.yield() }
            #expect(resolver.asked.count == count)
            if count < 3 { await clock.pass(.seconds(3)) }
        }
        #expect(resolver.asked == names.root + names.topLevel + [names.bogus])
        let done = await answers
        #expect(try done.root.map { try $0.get().answer.question } == names.root)
        #expect(try done.bogus.get().answer.question == names.bogus)
    }
}

extension DNSSECStatus {
    fileprivate var failures: [String] {
        switch self {
        case .works(let failed, _), .worksElsewhere(let failed), .stripped(let failed), .unreachable(let failed):
            failed.map(\.description)
        }
    }
}
