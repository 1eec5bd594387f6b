import Discovery
import Testing
import UnboundDNS

@testable import BridgeDaemon

/// Which DNSSEC probe counts, and when the next one is due.
@Suite struct DNSSECProbeStateTests {
    private static let org = DNSSECProbe.Failure(question: DNSQuestion(name: "org", type: .ns), reason: "bogus")
    private static let com = DNSSECProbe.Failure(question: DNSQuestion(name: "com", type: .ns), reason: "bogus")
    private static let works = DNSSECStatus.works(failed: [], warning: nil)
    private static let withoutOrg = DNSSECStatus.works(failed: [org], warning: nil)
    private static let stripped = DNSSECStatus.stripped([org, com])
    private static let unreachable = DNSSECStatus.unreachable([org, com])

    @Test func `stripped counts only if the next probe confirms it`() {
        var state = DNSSECProbeState()
        #expect(state.add(Self.stripped) == .needsConfirmation)
        #expect(state.status == nil)
        #expect(state.add(Self.stripped) == .accepted(Self.stripped, isNew: true))
        // After that it needs no further confirmation.
        #expect(state.add(Self.stripped) == .accepted(Self.stripped, isNew: false))
        #expect(state.add(Self.works) == .accepted(Self.works, isNew: true))
        #expect(state.add(Self.stripped) == .needsConfirmation)
        #expect(state.status == Self.works)
    }

    @Test(arguments: [works, withoutOrg, unreachable, .worksElsewhere(failed: [org, com])])
    func `any other result between two stripped ones discards the first`(other: DNSSECStatus) {
        var state = DNSSECProbeState()
        for _ in 1...3 {
            #expect(state.add(Self.stripped) == .needsConfirmation)
            _ = state.add(other)
            #expect(state.status == other)
        }
    }

    @Test func `a change of the failing names is new, a change of a reason is not`() {
        var state = DNSSECProbeState()
        #expect(state.add(Self.works) == .accepted(Self.works, isNew: true))
        #expect(state.add(Self.works) == .accepted(Self.works, isNew: false))
        #expect(state.add(Self.withoutOrg) == .accepted(Self.withoutOrg, isNew: true))
        let sameNames = DNSSECStatus.works(
            failed: [DNSSECProbe.Failure(question: Self.org.question, reason: "other reason")], warning: nil)
        #expect(state.add(sameNames) == .accepted(sameNames, isNew: false))
        let more = DNSSECStatus.works(failed: [Self.org, Self.com], warning: nil)
        #expect(state.add(more) == .accepted(more, isNew: true))
        let withWarning = DNSSECStatus.works(failed: [Self.org, Self.com], warning: "repaired")
        #expect(state.add(withWarning) == .accepted(withWarning, isNew: true))
    }

    @Test func `the confirming probe waits until libunbound has dropped a bad key, and intervals vary`() {
        var state = DNSSECProbeState()
        func intervals() -> [Duration] { [state.interval(jitter: 0), state.interval(jitter: 0.5)] }
        _ = state.add(Self.stripped)
        // libunbound caches a bad key for 60 seconds.
        #expect(intervals() == [.seconds(70), .seconds(85)])
        _ = state.add(Self.stripped)
        #expect(intervals() == [.seconds(240), .seconds(300)])
        _ = state.add(Self.withoutOrg)
        #expect(intervals() == [.seconds(240), .seconds(300)])
        _ = state.add(.works(failed: [], warning: "repaired"))
        #expect(intervals() == [.seconds(2_700), .seconds(3_600)])
    }
}
