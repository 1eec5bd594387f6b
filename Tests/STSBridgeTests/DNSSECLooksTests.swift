import Discovery
import Testing
import UnboundDNS

@testable import STSBridge

/// Which probe of DNSSEC counts, and when the next one is due.
@Suite struct DNSSECLooksTests {
    private static let org = DNSSECProbe.Failure(question: DNSQuestion(name: "org", type: .ns), reason: "bogus")
    private static let com = DNSSECProbe.Failure(question: DNSQuestion(name: "com", type: .ns), reason: "bogus")
    private static let works = DNSSECStanding.works(failed: [], doubt: nil)
    private static let withoutOrg = DNSSECStanding.works(failed: [org], doubt: nil)
    private static let stripped = DNSSECStanding.stripped([org, com])
    private static let unreachable = DNSSECStanding.unreachable([org, com])

    @Test func `stripped counts only when the next probe finds the same`() {
        var looks = DNSSECLooks()
        #expect(looks.take(Self.stripped) == .needsConfirmation)
        #expect(looks.standing == nil)
        #expect(looks.take(Self.stripped) == .counts(Self.stripped, isNew: true))
        // Then it goes on without another confirmation.
        #expect(looks.take(Self.stripped) == .counts(Self.stripped, isNew: false))
        #expect(looks.take(Self.works) == .counts(Self.works, isNew: true))
        #expect(looks.take(Self.stripped) == .needsConfirmation)
        #expect(looks.standing == Self.works)
    }

    @Test(arguments: [works, withoutOrg, unreachable, .worksElsewhere(failed: [org, com])])
    func `any other result between two takes the suspicion away`(other: DNSSECStanding) {
        var looks = DNSSECLooks()
        for _ in 1...3 {
            #expect(looks.take(Self.stripped) == .needsConfirmation)
            _ = looks.take(other)
            #expect(looks.standing == other)
        }
    }

    @Test func `a change of the failing names is new, a change of words is not`() {
        var looks = DNSSECLooks()
        #expect(looks.take(Self.works) == .counts(Self.works, isNew: true))
        #expect(looks.take(Self.works) == .counts(Self.works, isNew: false))
        #expect(looks.take(Self.withoutOrg) == .counts(Self.withoutOrg, isNew: true))
        let reworded = DNSSECStanding.works(
            failed: [DNSSECProbe.Failure(question: Self.org.question, reason: "other words")], doubt: nil)
        #expect(looks.take(reworded) == .counts(reworded, isNew: false))
        let more = DNSSECStanding.works(failed: [Self.org, Self.com], doubt: nil)
        #expect(looks.take(more) == .counts(more, isNew: true))
        let doubted = DNSSECStanding.works(failed: [Self.org, Self.com], doubt: "repaired")
        #expect(looks.take(doubted) == .counts(doubted, isNew: true))
    }

    @Test func `a confirmation comes after a bad key is forgotten, and no pause is the same as the last`() {
        var looks = DNSSECLooks()
        func span() -> [Duration] { [looks.pause(jitter: 0), looks.pause(jitter: 0.5)] }
        _ = looks.take(Self.stripped)
        // libunbound keeps a bad key for 60 seconds.
        #expect(span() == [.seconds(70), .seconds(85)])
        _ = looks.take(Self.stripped)
        #expect(span() == [.seconds(240), .seconds(300)])
        _ = looks.take(Self.withoutOrg)
        #expect(span() == [.seconds(240), .seconds(300)])
        _ = looks.take(.works(failed: [], doubt: "repaired"))
        #expect(span() == [.seconds(2_700), .seconds(3_600)])
    }
}
