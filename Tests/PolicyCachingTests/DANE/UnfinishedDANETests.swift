import DANE
import Discovery
import MTASTS
import PolicyCaching
import TestSupport
import Testing

/// The answer to a lookup that cannot wait until a DANE discovery ends (RFC 7672 §2.1.2).
@Suite struct UnfinishedDANETests {
    private let clock = ManualTime()
    private let destination: Destination

    init() throws {
        destination = Destination(domain: try domain("example.com"))
    }

    /// One letter for each host: `u` usable, `x` unusable, `n` no TLSA, `i` insecure address, `a` no address, `f` failed,
    /// `s` signed address and no TLSA answer yet, `.` no answer yet.
    private static func host(_ letter: Character, number: Int) -> MXHostResult? {
        let name = "mx\(number + 1).example.com"
        func open(_ prefix: String, type: RecordType) -> MXHostResult.Reason {
            .lookupFailed(
                DNSError(question: DNSQuestion(name: prefix + name, type: type), cause: .unfinished, servers: []))
        }
        let usable = [[3, 1, 1] + [UInt8](repeating: 7, count: 32)]
        let (reason, isSigned): (MXHostResult.Reason, Bool) =
            switch letter {
            case "u": (.secureTLSA(base: name, TLSARecordSet(rdata: usable)), true)
            case "x": (.secureTLSA(base: name, TLSARecordSet(rdata: [[1]])), true)
            case "n": (.noTLSA, true)
            case "i": (.insecureAddress, false)
            case "a": (.noAddress, false)
            case "f": (.lookupFailed(serverFailure), false)
            case "s": (open("_25._tcp.", type: .tlsa), true)
            default: (open("", type: .a), false)
            }
        return MXHostResult(name: name, preference: 10, reason: reason, isSigned: isSigned)
    }

    /// The steps of a discovery with these results.
    private func progress(_ mx: MXResult, letters: String) -> [DANEProgress] {
        let hosts = letters.enumerated().compactMap { Self.host($0.element, number: $0.offset) }
        let open = letters.enumerated().compactMap { Self.host(".", number: $0.offset) }
        let start = DANEResult(destination: destination, mx: mx, hosts: open, timeToLive: 0)
        return [.hosts(start)] + hosts.enumerated().map { .host($0.element, index: $0.offset) }
    }

    private func start(_ cache: inout DANECache, on destination: Destination? = nil) throws -> FlightID {
        guard case .start(let id, _) = cache.lookup(destination ?? self.destination, at: clock.now) else {
            throw UnexpectedError(what: "no discovery")
        }
        return id
    }

    private static func word(_ status: DANEStatus) -> String {
        guard case .known(let coverage, let reason) = status else { return "off" }
        let word =
            switch coverage {
            case .complete: "complete"
            case .partial: "partial"
            case .unknown(let completions): completions.contains(.complete) ? "unknown" : "unknown-partial"
            case .notApplicable: "none"
            }
        return word + (reason == nil ? "" : " missing")
    }

    @Test(arguments: [
        // A secure MX answer makes the domain known to be signed.
        (true, ".", "unknown missing"), (true, "s", "unknown missing"), (true, "n.", "unknown-partial missing"),
        (true, "u.", "complete missing"), (true, "x.", "partial missing"), (true, "un.", "partial missing"),
        (true, "a.", "unknown missing"), (true, "i.", "unknown-partial missing"), (true, "f.", "unknown missing"),
        // The result is certain already, though the discovery has not ended.
        (true, "u", "complete"), (true, "nn", "none"), (true, "ii", "none"), (true, "a", "none"),
        // A domain that was never seen signed does not wait.
        (false, ".", "none missing"), (false, "i.", "none missing"), (false, "f.", "none missing"),
        (false, "n.", "none missing"), (false, "ii", "none"),
        // The address of the host whose TLSA answer is missing is signed.
        (false, "s", "unknown-partial missing"), (false, "is", "unknown-partial missing"),
        (false, "u.", "partial missing"),
    ])
    func `DANE-2.1.2-c an unfinished first discovery counts what it has, and the missing hosts as failed`(
        isSecure: Bool, letters: String, expected: String
    ) throws {
        var cache = DANECache()
        let id = try start(&cache)
        #expect(
            cache.status(of: destination, at: clock.now)
                == .known(.notApplicable, reason: "example.com MX: not answered yet"))
        for step in progress(.records(isSecure: isSecure), letters: letters) { cache.progressReceived(step, in: id) }
        #expect(Self.word(cache.status(of: destination, at: clock.now)) == expected)
        // A discovery that is cancelled because the daemon stops gives the same.
        #expect(Self.word(cache.finish(id, result: nil, at: clock.now)) == expected)
    }

    @Test func `the reason names the query that is not answered yet`() throws {
        var cache = DANECache()
        let id = try start(&cache)
        let steps = progress(.records(isSecure: true), letters: "s")
        var reasons: [String?] = []
        for step in steps {
            cache.progressReceived(step, in: id)
            guard case .known(_, let reason) = cache.status(of: destination, at: clock.now) else { continue }
            reasons.append(reason)
        }
        #expect(
            reasons == ["mx1.example.com A: not answered yet", "_25._tcp.mx1.example.com TLSA: not answered yet"])
    }

    @Test func `a smart host is known to be signed as soon as its address is`() throws {
        var cache = DANECache()
        let host = Destination(domain: destination.domain, isHost: true)
        let id = try start(&cache, on: host)
        #expect(
            cache.status(of: host, at: clock.now)
                == .known(.notApplicable, reason: "example.com A: not answered yet"))
        let signed = try #require(Self.host("s", number: 0))
        cache.progressReceived(.hosts(.unfinished(host)), in: id)
        cache.progressReceived(.host(signed, index: 0), in: id)
        #expect(Self.word(cache.status(of: host, at: clock.now)) == "unknown missing")
    }

    @Test func `an earlier signed result counts while the MX answer is missing`() throws {
        var cache = DANECache()
        let result = DANEResult(
            destination: destination, mx: .records(isSecure: false),
            hosts: [Self.host("n", number: 0), Self.host("i", number: 1)].compactMap(\.self), timeToLive: 300)
        _ = cache.finish(try start(&cache), result: result, at: clock.now)
        clock.advance(.seconds(2 * 3_600))
        let id = try start(&cache)
        #expect(Self.word(cache.status(of: destination, at: clock.now)) == "unknown missing")
        // The signed host answers. Only the unsigned one is missing, which cannot change the decision.
        for step in progress(.records(isSecure: false), letters: "n.") { cache.progressReceived(step, in: id) }
        #expect(Self.word(cache.status(of: destination, at: clock.now)) == "none missing")
    }

    @Test func `the last complete result has precedence over an unfinished one while it counts`() throws {
        var cache = DANECache()
        let result = DANEResult(
            destination: destination, mx: .records(isSecure: true),
            hosts: [Self.host("n", number: 0)].compactMap(\.self),
            timeToLive: 300)
        _ = cache.finish(try start(&cache), result: result, at: clock.now)
        clock.advance(.seconds(301))
        let id = try start(&cache)
        for step in progress(.records(isSecure: true), letters: "s") { cache.progressReceived(step, in: id) }
        #expect(Self.word(cache.status(of: destination, at: clock.now)) == "none")
        clock.advance(.seconds(3_600))
        #expect(Self.word(cache.status(of: destination, at: clock.now)) == "unknown missing")
    }

    @Test func `an unfinished discovery has precedence over a failed one with fewer answers, and not the reverse`()
        throws
    {
        var cache = DANECache()
        let failed = DANEResult(destination: destination, mx: .failed(serverFailure), timeToLive: 0)
        _ = cache.finish(try start(&cache), result: failed, at: clock.now)
        clock.advance(.seconds(61))
        var id = try start(&cache)
        #expect(
            cache.status(of: destination, at: clock.now) == .known(.notApplicable, reason: failed.reason))
        for step in progress(.records(isSecure: true), letters: "s") { cache.progressReceived(step, in: id) }
        #expect(Self.word(cache.status(of: destination, at: clock.now)) == "unknown missing")
        // The maximum wait is over: another lookup gets the same at once.
        clock.advance(.seconds(2))
        guard case .answer(let status) = cache.lookup(destination, at: clock.now) else {
            throw UnexpectedError(what: "no answer")
        }
        #expect(Self.word(status) == "unknown missing")

        let half = DANEResult(
            destination: destination, mx: .records(isSecure: true),
            hosts: [Self.host("f", number: 0)].compactMap(\.self),
            timeToLive: 0)
        _ = cache.finish(id, result: half, at: clock.now)
        clock.advance(.seconds(61))
        id = try start(&cache)
        #expect(
            cache.status(of: destination, at: clock.now)
                == .known(.unknown(.all), reason: half.reason))
    }

    @Test func `a step of a discovery that has ended changes nothing`() throws {
        var cache = DANECache()
        let id = try start(&cache)
        let result = DANEResult(
            destination: destination, mx: .records(isSecure: false),
            hosts: [Self.host("i", number: 0)].compactMap(\.self),
            timeToLive: 300)
        _ = cache.finish(id, result: result, at: clock.now)
        for step in progress(.records(isSecure: true), letters: "s") { cache.progressReceived(step, in: id) }
        #expect(cache.status(of: destination, at: clock.now) == .known(.notApplicable, reason: nil))
    }

    // MARK: Errors of this host

    private func lifetime(of result: DANEResult, _ settings: CacheSettings = CacheSettings()) throws -> Duration {
        var cache = DANECache(settings: settings)
        _ = cache.finish(try start(&cache), result: result, at: clock.now)
        var lived = Duration.zero
        while cache.answer(to: destination, at: clock.now) != nil {
            clock.advance(.milliseconds(500))
            lived += .milliseconds(500)
        }
        return lived
    }

    @Test func `a result that failed because of this host is replaced after 2 seconds, any other after min-ttl`()
        throws
    {
        func failure(_ cause: DNSError.Cause) -> DNSError {
            DNSError(question: DNSQuestion(name: "example.com", type: .mx), cause: cause, servers: [])
        }
        func host(_ cause: DNSError.Cause) -> MXHostResult {
            MXHostResult(
                name: "mx.example.com", preference: 10, reason: .lookupFailed(failure(cause)), isSigned: true)
        }
        func result(_ mx: MXResult, hosts: MXHostResult...) -> DANEResult {
            DANEResult(destination: destination, mx: mx, hosts: hosts, timeToLive: 3_600)
        }
        let (local, remote) = (DNSError.Cause.local("no descriptor"), DNSError.Cause.responseCode(2))
        let secure = MXResult.records(isSecure: true)
        #expect(try lifetime(of: result(.failed(failure(local)))) == .seconds(2))
        #expect(try lifetime(of: result(secure, hosts: host(local))) == .seconds(2))
        #expect(try lifetime(of: result(secure, hosts: host(remote), host(local))) == .seconds(2))
        #expect(try lifetime(of: result(.failed(failure(remote)))) == .seconds(60))
        #expect(try lifetime(of: result(secure, hosts: host(remote))) == .seconds(60))
        // A shorter min-ttl is not lengthened.
        let short = CacheSettings(minimumTTL: .seconds(1))
        #expect(try lifetime(of: result(secure, hosts: host(local)), short) == .seconds(1))
    }
}
