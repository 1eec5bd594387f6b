import DANE
import Discovery
import MTASTS
import PolicyCaching
import Testing
import TestSupport

/// How long a DANE result counts.
@Suite struct DANECacheTests {
    private var cache = DANECache()
    private let clock = ManualTime()
    private let destination: Destination

    init() throws {
        destination = Destination(domain: try domain("example.com"))
    }

    private func result(_ reason: MXHostResult.Reason, timeToLive: UInt32 = 300) -> DANEResult {
        let host = MXHostResult(name: "mx.example.com", preference: 10, reason: reason, isSigned: true)
        return DANEResult(
            destination: destination, mx: .records(isSecure: true), hosts: [host], timeToLive: timeToLive)
    }

    private var usable: MXHostResult.Reason {
        .secureTLSA(base: "mx.example.com", TLSARecordSet(rdata: [[3, 1, 1] + Array(repeating: 7, count: 32)]))
    }

    private mutating func start() throws -> (id: FlightID, atMost: Duration?) {
        guard case .start(let id, let atMost) = cache.lookup(destination, at: clock.now) else {
            throw UnexpectedError(what: "no discovery")
        }
        return (id, atMost)
    }

    private mutating func learn(_ result: DANEResult) throws -> DANEStatus {
        cache.finish(try start().id, result: result, at: clock.now)
    }

    private mutating func answer() -> DANEStatus? { cache.answer(to: destination, at: clock.now) }

    @Test func `the first lookup waits as long as it may, and later ones join`() throws {
        var tests = self
        let (id, atMost) = try tests.start()
        #expect(atMost == nil)
        #expect(tests.cache.lookup(destination, at: clock.now) == .join(id, atMost: nil))
        #expect(
            tests.cache.status(of: destination, at: clock.now)
                == .known(.notApplicable, reason: "example.com MX: not answered yet"))
        #expect(tests.cache.finish(id, result: result(usable), at: clock.now) == .known(.complete, reason: nil))
    }

    @Test(arguments: [(ttl: UInt32(0), lives: 60), (300, 300), (86_400, 3_600)])
    func `a result lives for the least TTL of its answers, clamped`(ttl: UInt32, lives: Int) throws {
        var tests = self
        _ = try tests.learn(result(usable, timeToLive: ttl))
        clock.advance(.seconds(lives) - .milliseconds(1))
        #expect(tests.answer() == .known(.complete, reason: nil))
        clock.advance(.milliseconds(1))
        #expect(tests.answer() == nil)
        #expect(try tests.start().atMost == .seconds(2))
    }

    @Test func `after a failed discovery the last result counts for another max-ttl, then the failure does`() throws {
        var tests = self
        _ = try tests.learn(result(usable))
        let failed = result(.lookupFailed(serverFailure))
        for _ in 1...12 {
            clock.advance(.seconds(300))
            #expect(try tests.learn(failed) == .known(.complete, reason: nil))
        }
        clock.advance(.seconds(300))
        #expect(try tests.learn(failed) == .known(.unknown(.all), reason: failed.reason))
    }

    @Test func `a failed query is repeated after min-ttl`() throws {
        var tests = self
        _ = try tests.learn(result(.lookupFailed(serverFailure), timeToLive: 3_600))
        clock.advance(.seconds(59))
        #expect(tests.answer() != nil)
        clock.advance(.seconds(1))
        #expect(tests.answer() == nil)
    }

    @Test func `a failure of the MX query counts if the last result was signed`() throws {
        var tests = self
        let failed = DANEResult(destination: destination, mx: .failed(serverFailure), timeToLive: 0)
        #expect(try tests.learn(failed) == .known(.notApplicable, reason: failed.reason))
        clock.advance(.seconds(60))
        _ = try tests.learn(result(usable))
        clock.advance(.seconds(2 * 3_600))
        #expect(try tests.learn(failed) == .known(.unknown(.all), reason: failed.reason))
    }

    @Test func `ports and smart hosts are destinations of their own`() throws {
        var tests = self
        _ = try tests.learn(result(usable))
        for other in [
            Destination(domain: destination.domain, port: 2_525),
            Destination(domain: destination.domain, isHost: true),
        ] {
            guard case .start = tests.cache.lookup(other, at: clock.now) else {
                throw UnexpectedError(what: "no discovery")
            }
        }
    }

    @Test func `after the clock was set back by years the next lookup starts a discovery`() throws {
        var tests = self
        _ = try tests.learn(result(usable))
        clock.advance(.seconds(-3 * 365 * 86_400))
        #expect(try tests.start().atMost == nil)
    }

    @Test func `a discovery that was cancelled because the daemon stops changes nothing`() throws {
        var tests = self
        _ = try tests.learn(result(usable))
        clock.advance(.seconds(300))
        let id = try tests.start().id
        #expect(tests.cache.finish(id, result: nil, at: clock.now) == .known(.complete, reason: nil))
        #expect(try tests.start().atMost == .seconds(2))
    }

    @Test func `hosts above the limit are reported as the reason`() throws {
        var tests = self
        let absent = MXHostResult(name: "mx1.example.com", preference: 10, reason: .noAddress, isSigned: true)
        let many = DANEResult(
            destination: destination, mx: .records(isSecure: true), hosts: [absent], skippedHosts: 980, timeToLive: 300)
        let status = try tests.learn(many)
        #expect(status == .known(.unknown(.all), reason: many.reason))
        #expect(many.reason?.contains("980 hosts beyond the limit") == true)
    }

    // MARK: Known to be signed

    @Test func `a signed result is not forgotten if the next discovery does not end in time`() throws {
        var tests = self
        _ = try tests.learn(result(usable))
        clock.advance(.seconds(2 * 3_600))
        let unfinished = DANEStatus.known(
            .unknown(.all), reason: "example.com MX: not answered yet")
        let flight = try tests.start()
        #expect(flight.atMost == nil)
        #expect(tests.cache.status(of: destination, at: clock.now) == unfinished)
        let cut = tests.cache.finish(flight.id, result: nil, at: clock.now)
        #expect(cut == unfinished)
    }

    @Test(arguments: [MXResult.notNeeded, .records(isSecure: false)])
    func `a host that was signed is known to be signed, whatever name led to it`(mx: MXResult) throws {
        var tests = self
        func found(_ reason: MXHostResult.Reason, isSigned: Bool) -> DANEResult {
            let host = MXHostResult(name: "mx.example.com", preference: 10, reason: reason, isSigned: isSigned)
            return DANEResult(destination: destination, mx: mx, hosts: [host], timeToLive: 300)
        }
        _ = try tests.learn(found(usable, isSigned: true))
        clock.advance(.seconds(2 * 3_600))
        let failed = found(.lookupFailed(serverFailure), isSigned: false)
        let status = try tests.learn(failed)
        let possible: Set<DANECoverage.Completion> = mx == .notNeeded ? .all : [.partial, .notApplicable]
        #expect(status == .known(.unknown(possible), reason: failed.reason))
    }

    @Test func `the signature of another host proves nothing about an unsigned one that fails`() throws {
        var tests = self
        func found(_ second: MXHostResult.Reason) -> DANEResult {
            DANEResult(
                destination: destination, mx: .records(isSecure: false),
                hosts: [
                    MXHostResult(name: "signed.example.com", preference: 10, reason: .noTLSA, isSigned: true),
                    MXHostResult(name: "unsigned.example.com", preference: 20, reason: second, isSigned: false),
                ], timeToLive: 300)
        }
        _ = try tests.learn(found(.insecureAddress))
        clock.advance(.seconds(2 * 3_600))
        let failed = found(.lookupFailed(serverFailure))
        let status = try tests.learn(failed)
        #expect(status == .known(.notApplicable, reason: failed.reason))
    }

    @Test func `new TLSA records count at once, even if another host fails`() throws {
        var tests = self
        _ = try tests.learn(result(.noTLSA))
        clock.advance(.seconds(300))
        let changed = DANEResult(
            destination: destination, mx: .records(isSecure: true),
            hosts: [
                MXHostResult(name: "mx.example.com", preference: 10, reason: usable, isSigned: true),
                MXHostResult(
                    name: "mx2.example.com", preference: 20, reason: .lookupFailed(serverFailure), isSigned: true),
            ], timeToLive: 300)
        let status = try tests.learn(changed)
        #expect(status == .known(.complete, reason: changed.reason))
    }

    /// Two hosts of a secure MX set.
    private func pair(first: MXHostResult.Reason, second: MXHostResult.Reason) -> DANEResult {
        let hosts = zip(["mx1.example.com", "mx2.example.com"], [first, second]).map {
            MXHostResult(name: $0, preference: 10, reason: $1, isSigned: true)
        }
        return DANEResult(destination: destination, mx: .records(isSecure: true), hosts: hosts, timeToLive: 300)
    }

    @Test func `DANE-2.2.1-e a host that had no TLSA records still has none in the minute in which its query fails`()
        throws
    {
        var tests = self
        #expect(try tests.learn(pair(first: usable, second: .noTLSA)) == .known(.partial, reason: nil))
        clock.advance(.seconds(300))
        let failed = pair(first: usable, second: .lookupFailed(serverFailure))
        #expect(try tests.learn(failed) == .known(.partial, reason: nil))
        // The last complete result counts for max-ttl after its lifetime, and no longer.
        clock.advance(.seconds(3_600))
        #expect(try tests.learn(failed) == .known(.complete, reason: failed.reason))
    }

    @Test func `a secure denial counts at once, even if another host fails`() throws {
        var tests = self
        _ = try tests.learn(pair(first: usable, second: usable))
        clock.advance(.seconds(300))
        #expect(
            try tests.learn(pair(first: .noTLSA, second: .lookupFailed(serverFailure))) == .known(.partial, reason: nil)
        )
    }

    @Test func `a secure denial counts at once beside a new host that fails, because no answer makes DANE complete`()
        throws
    {
        var tests = self
        _ = try tests.learn(pair(first: usable, second: usable))
        clock.advance(.seconds(300))
        let input: [(String, MXHostResult.Reason)] = [
            ("mx1.example.com", .noTLSA), ("mx3.example.com", .lookupFailed(serverFailure)),
        ]
        let hosts = input.map { MXHostResult(name: $0.0, preference: 10, reason: $0.1, isSigned: true) }
        let changed = DANEResult(
            destination: destination, mx: .records(isSecure: true), hosts: hosts, timeToLive: 300)
        #expect(try tests.learn(changed) == .known(.unknown([.partial, .notApplicable]), reason: changed.reason))
    }

    @Test func `an old failure is not an answer`() throws {
        var tests = self
        let failed = DANEResult(destination: destination, mx: .failed(serverFailure), timeToLive: 0)
        _ = try tests.learn(failed)
        clock.advance(.seconds(30 * 86_400))
        let maximumWait = try tests.start().atMost
        #expect(maximumWait == nil)
    }
}
