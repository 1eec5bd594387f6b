import DANE
import Discovery
import MTASTS
import PolicyService
import Testing
import TestSupport

/// How long a DANE finding counts.
@Suite struct FindingLedgerTests {
    private var ledger = FindingLedger()
    private let clock = ManualTime()
    private let destination: DANEDestination

    init() throws {
        destination = DANEDestination(domain: try domain("example.com"))
    }

    private func finding(_ ground: HostFinding.Ground, timeToLive: UInt32 = 300) -> DANEFinding {
        let host = HostFinding(name: "mx.example.com", preference: 10, ground: ground, isSigned: true)
        return DANEFinding(
            destination: destination, mx: .records(isSecure: true), hosts: [host], timeToLive: timeToLive)
    }

    private var usable: HostFinding.Ground {
        .secureTLSA(base: "mx.example.com", TLSARecordSet(rdata: [[3, 1, 1] + Array(repeating: 7, count: 32)]))
    }

    private mutating func start() throws -> (id: FlightID, atMost: Duration?) {
        guard case .start(let id, let atMost) = ledger.asked(destination, at: clock.now) else {
            throw Unexpected(what: "no discovery")
        }
        return (id, atMost)
    }

    private mutating func learn(_ finding: DANEFinding) throws -> DANEStanding {
        ledger.landed(try start().id, finding, at: clock.now)
    }

    private mutating func answer() -> DANEStanding? { ledger.answer(to: destination, at: clock.now) }

    @Test func `the first lookup waits as long as it may, and those who come meanwhile join`() throws {
        var tests = self
        let (id, atMost) = try tests.start()
        #expect(atMost == nil)
        #expect(tests.ledger.asked(destination, at: clock.now) == .join(id, atMost: nil))
        #expect(
            tests.ledger.standing(of: destination, at: clock.now)
                == .known(.notApplicable, reason: "example.com MX: not answered yet"))
        #expect(tests.ledger.landed(id, finding(usable), at: clock.now) == .known(.complete, reason: nil))
    }

    @Test(arguments: [(ttl: UInt32(0), lives: 60), (300, 300), (86_400, 3_600)])
    func `a finding lives for the least TTL of its answers, clamped`(ttl: UInt32, lives: Int) throws {
        var tests = self
        _ = try tests.learn(finding(usable, timeToLive: ttl))
        clock.advance(.seconds(lives) - .milliseconds(1))
        #expect(tests.answer() == .known(.complete, reason: nil))
        clock.advance(.milliseconds(1))
        #expect(tests.answer() == nil)
        #expect(try tests.start().atMost == .seconds(2))
    }

    @Test func `a failed discovery leaves the last finding in force for another max-ttl, then it has failed`() throws {
        var tests = self
        _ = try tests.learn(finding(usable))
        let failed = finding(.lookupFailed(serverFailure))
        for _ in 1...12 {
            clock.advance(.seconds(300))
            #expect(try tests.learn(failed) == .known(.complete, reason: nil))
        }
        clock.advance(.seconds(300))
        #expect(try tests.learn(failed) == .known(.unknown(.all), reason: failed.reason))
    }

    @Test func `what failed is asked again after min-ttl`() throws {
        var tests = self
        _ = try tests.learn(finding(.lookupFailed(serverFailure), timeToLive: 3_600))
        clock.advance(.seconds(59))
        #expect(tests.answer() != nil)
        clock.advance(.seconds(1))
        #expect(tests.answer() == nil)
    }

    @Test func `a failure of the MX query counts where the last finding was signed`() throws {
        var tests = self
        let failed = DANEFinding(destination: destination, mx: .failed(serverFailure), timeToLive: 0)
        #expect(try tests.learn(failed) == .known(.notApplicable, reason: failed.reason))
        clock.advance(.seconds(60))
        _ = try tests.learn(finding(usable))
        clock.advance(.seconds(2 * 3_600))
        #expect(try tests.learn(failed) == .known(.unknown(.all), reason: failed.reason))
    }

    @Test func `ports and smart hosts are destinations of their own`() throws {
        var tests = self
        _ = try tests.learn(finding(usable))
        for other in [
            DANEDestination(domain: destination.domain, port: 2_525),
            DANEDestination(domain: destination.domain, isHost: true),
        ] {
            guard case .start = tests.ledger.asked(other, at: clock.now) else { throw Unexpected(what: "no discovery") }
        }
    }

    @Test func `a clock set back by years asks again`() throws {
        var tests = self
        _ = try tests.learn(finding(usable))
        clock.advance(.seconds(-3 * 365 * 86_400))
        #expect(try tests.start().atMost == nil)
    }

    @Test func `a discovery that the end of the daemon cut off changes nothing`() throws {
        var tests = self
        _ = try tests.learn(finding(usable))
        clock.advance(.seconds(300))
        let id = try tests.start().id
        #expect(tests.ledger.landed(id, nil, at: clock.now) == .known(.complete, reason: nil))
        #expect(try tests.start().atMost == .seconds(2))
    }

    @Test func `hosts that were too many to look at are told as the reason`() throws {
        var tests = self
        let absent = HostFinding(name: "mx1.example.com", preference: 10, ground: .noAddress, isSigned: true)
        let many = DANEFinding(
            destination: destination, mx: .records(isSecure: true), hosts: [absent], leftOut: 980, timeToLive: 300)
        let standing = try tests.learn(many)
        #expect(standing == .known(.unknown(.all), reason: many.reason))
        #expect(many.reason?.contains("980 hosts too many") == true)
    }

    // MARK: Known to be signed

    @Test func `what was signed once is not forgotten where the next discovery does not end in time`() throws {
        var tests = self
        _ = try tests.learn(finding(usable))
        clock.advance(.seconds(2 * 3_600))
        let unfinished = DANEStanding.known(
            .unknown(.all), reason: "example.com MX: not answered yet")
        let flight = try tests.start()
        #expect(flight.atMost == nil)
        #expect(tests.ledger.standing(of: destination, at: clock.now) == unfinished)
        let cut = tests.ledger.landed(flight.id, nil, at: clock.now)
        #expect(cut == unfinished)
    }

    @Test(arguments: [MXFinding.notAsked, .records(isSecure: false)])
    func `a host that was signed is known to be, whoever named it`(mx: MXFinding) throws {
        var tests = self
        func found(_ ground: HostFinding.Ground, isSigned: Bool) -> DANEFinding {
            let host = HostFinding(name: "mx.example.com", preference: 10, ground: ground, isSigned: isSigned)
            return DANEFinding(destination: destination, mx: mx, hosts: [host], timeToLive: 300)
        }
        _ = try tests.learn(found(usable, isSigned: true))
        clock.advance(.seconds(2 * 3_600))
        let failed = found(.lookupFailed(serverFailure), isSigned: false)
        let standing = try tests.learn(failed)
        let possible: Set<Coverage.Completion> = mx == .notAsked ? .all : [.partial, .notApplicable]
        #expect(standing == .known(.unknown(possible), reason: failed.reason))
    }

    @Test func `another host's signature says nothing of an unsigned one that fails`() throws {
        var tests = self
        func found(_ second: HostFinding.Ground) -> DANEFinding {
            DANEFinding(
                destination: destination, mx: .records(isSecure: false),
                hosts: [
                    HostFinding(name: "signed.example.com", preference: 10, ground: .noTLSA, isSigned: true),
                    HostFinding(name: "unsigned.example.com", preference: 20, ground: second, isSigned: false),
                ], timeToLive: 300)
        }
        _ = try tests.learn(found(.insecureAddress))
        clock.advance(.seconds(2 * 3_600))
        let failed = found(.lookupFailed(serverFailure))
        let standing = try tests.learn(failed)
        #expect(standing == .known(.notApplicable, reason: failed.reason))
    }

    @Test func `TLSA records that are new count at once, though another host fails`() throws {
        var tests = self
        _ = try tests.learn(finding(.noTLSA))
        clock.advance(.seconds(300))
        let news = DANEFinding(
            destination: destination, mx: .records(isSecure: true),
            hosts: [
                HostFinding(name: "mx.example.com", preference: 10, ground: usable, isSigned: true),
                HostFinding(
                    name: "mx2.example.com", preference: 20, ground: .lookupFailed(serverFailure), isSigned: true),
            ], timeToLive: 300)
        let standing = try tests.learn(news)
        #expect(standing == .known(.complete, reason: news.reason))
    }

    /// Two hosts of a secure MX set.
    private func pair(_ first: HostFinding.Ground, _ second: HostFinding.Ground) -> DANEFinding {
        let hosts = zip(["mx1.example.com", "mx2.example.com"], [first, second]).map {
            HostFinding(name: $0, preference: 10, ground: $1, isSigned: true)
        }
        return DANEFinding(destination: destination, mx: .records(isSecure: true), hosts: hosts, timeToLive: 300)
    }

    @Test func `DANE-2.2.1-e a host that had no TLSA records still has none in the minute in which its query fails`()
        throws
    {
        var tests = self
        #expect(try tests.learn(pair(usable, .noTLSA)) == .known(.partial, reason: nil))
        clock.advance(.seconds(300))
        let failed = pair(usable, .lookupFailed(serverFailure))
        #expect(try tests.learn(failed) == .known(.partial, reason: nil))
        // The last complete finding counts for max-ttl after its life, and no longer.
        clock.advance(.seconds(3_600))
        #expect(try tests.learn(failed) == .known(.complete, reason: failed.reason))
    }

    @Test func `a secure denial counts at once, though another host fails`() throws {
        var tests = self
        _ = try tests.learn(pair(usable, usable))
        clock.advance(.seconds(300))
        #expect(try tests.learn(pair(.noTLSA, .lookupFailed(serverFailure))) == .known(.partial, reason: nil))
    }

    @Test func `a secure denial counts at once beside a new host that fails, because no answer makes DANE complete`()
        throws
    {
        var tests = self
        _ = try tests.learn(pair(usable, usable))
        clock.advance(.seconds(300))
        let grounds: [(String, HostFinding.Ground)] = [
            ("mx1.example.com", .noTLSA), ("mx3.example.com", .lookupFailed(serverFailure)),
        ]
        let hosts = grounds.map { HostFinding(name: $0.0, preference: 10, ground: $0.1, isSigned: true) }
        let changed = DANEFinding(
            destination: destination, mx: .records(isSecure: true), hosts: hosts, timeToLive: 300)
        #expect(try tests.learn(changed) == .known(.unknown([.partial, .notApplicable]), reason: changed.reason))
    }

    @Test func `a failure of long ago is no answer at hand`() throws {
        var tests = self
        let failed = DANEFinding(destination: destination, mx: .failed(serverFailure), timeToLive: 0)
        _ = try tests.learn(failed)
        clock.advance(.seconds(30 * 86_400))
        let patience = try tests.start().atMost
        #expect(patience == nil)
    }
}
