import DANE
import Discovery
import MTASTS
import PolicyService
import TestSupport
import Testing

/// What a lookup gets that cannot wait for the end of a DANE discovery (RFC 7672 §2.1.2).
@Suite struct UnfinishedFindingTests {
    private let clock = ManualTime()
    private let destination: DANEDestination

    init() throws {
        destination = DANEDestination(domain: try domain("example.com"))
    }

    /// One letter a host: `u` usable, `x` unusable, `n` no TLSA, `i` insecure address, `a` no address, `f` failed,
    /// `s` signed address and no TLSA answer yet, `.` no answer yet.
    private static func host(_ letter: Character, _ place: Int) -> HostFinding? {
        let name = "mx\(place + 1).example.com"
        func open(_ prefix: String, _ type: RecordType) -> HostFinding.Ground {
            .lookupFailed(
                DNSFailure(question: DNSQuestion(name: prefix + name, type: type), cause: .unfinished, servers: []))
        }
        let usable = [[3, 1, 1] + [UInt8](repeating: 7, count: 32)]
        let (ground, isSigned): (HostFinding.Ground, Bool) =
            switch letter {
            case "u": (.secureTLSA(base: name, TLSARecordSet(rdata: usable)), true)
            case "x": (.secureTLSA(base: name, TLSARecordSet(rdata: [[1]])), true)
            case "n": (.noTLSA, true)
            case "i": (.insecureAddress, false)
            case "a": (.noAddress, false)
            case "f": (.lookupFailed(serverFailure), false)
            case "s": (open("_25._tcp.", .tlsa), true)
            default: (open("", .a), false)
            }
        return HostFinding(name: name, preference: 10, ground: ground, isSigned: isSigned)
    }

    /// The steps of a discovery that gets as far as `letters` say.
    private func progress(_ mx: MXFinding, _ letters: String) -> [DANEProgress] {
        let hosts = letters.enumerated().compactMap { Self.host($0.element, $0.offset) }
        let open = letters.enumerated().compactMap { Self.host(".", $0.offset) }
        let start = DANEFinding(destination: destination, mx: mx, hosts: open, timeToLive: 0)
        return [.hosts(start)] + hosts.enumerated().map { .host($0.element, at: $0.offset) }
    }

    private func start(_ ledger: inout FindingLedger, _ destination: DANEDestination? = nil) throws -> FlightID {
        guard case .start(let id, _) = ledger.asked(destination ?? self.destination, at: clock.now) else {
            throw Unexpected(what: "no discovery")
        }
        return id
    }

    private static func word(_ standing: DANEStanding) -> String {
        guard case .known(let coverage, let reason) = standing else { return "off" }
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
        // What is decided already, with the end still to come.
        (true, "u", "complete"), (true, "nn", "none"), (true, "ii", "none"), (true, "a", "none"),
        // An unsigned domain that was never seen to be signed waits for nothing.
        (false, ".", "none missing"), (false, "i.", "none missing"), (false, "f.", "none missing"),
        (false, "n.", "none missing"), (false, "ii", "none"),
        // The address of the host whose TLSA answer is missing is signed.
        (false, "s", "unknown-partial missing"), (false, "is", "unknown-partial missing"),
        (false, "u.", "partial missing"),
    ])
    func `DANE-2.1.2-c an unfinished first discovery counts what it has, and the missing hosts as failed`(
        isSecure: Bool, letters: String, expected: String
    ) throws {
        var ledger = FindingLedger()
        let id = try start(&ledger)
        #expect(
            ledger.standing(of: destination, at: clock.now)
                == .known(.notApplicable, reason: "example.com MX: not answered yet"))
        for step in progress(.records(isSecure: isSecure), letters) { ledger.progressed(id, step) }
        #expect(Self.word(ledger.standing(of: destination, at: clock.now)) == expected)
        // A discovery that the end of the daemon cuts off leaves the same.
        #expect(Self.word(ledger.landed(id, nil, at: clock.now)) == expected)
    }

    @Test func `the reason names the question that is open`() throws {
        var ledger = FindingLedger()
        let id = try start(&ledger)
        let steps = progress(.records(isSecure: true), "s")
        var reasons: [String?] = []
        for step in steps {
            ledger.progressed(id, step)
            guard case .known(_, let reason) = ledger.standing(of: destination, at: clock.now) else { continue }
            reasons.append(reason)
        }
        #expect(
            reasons == ["mx1.example.com A: not answered yet", "_25._tcp.mx1.example.com TLSA: not answered yet"])
    }

    @Test func `a smart host is known to be signed as soon as its address is`() throws {
        var ledger = FindingLedger()
        let host = DANEDestination(domain: destination.domain, isHost: true)
        let id = try start(&ledger, host)
        #expect(
            ledger.standing(of: host, at: clock.now)
                == .known(.notApplicable, reason: "example.com A: not answered yet"))
        let signed = try #require(Self.host("s", 0))
        ledger.progressed(id, .hosts(.unfinished(host)))
        ledger.progressed(id, .host(signed, at: 0))
        #expect(Self.word(ledger.standing(of: host, at: clock.now)) == "unknown missing")
    }

    @Test func `what was signed once counts where the MX answer is missing now`() throws {
        var ledger = FindingLedger()
        let finding = DANEFinding(
            destination: destination, mx: .records(isSecure: false),
            hosts: [Self.host("n", 0), Self.host("i", 1)].compactMap(\.self), timeToLive: 300)
        _ = ledger.landed(try start(&ledger), finding, at: clock.now)
        clock.advance(.seconds(2 * 3_600))
        let id = try start(&ledger)
        #expect(Self.word(ledger.standing(of: destination, at: clock.now)) == "unknown missing")
        // The signed host answers, and only the unsigned one is missing: nothing is at stake any more.
        for step in progress(.records(isSecure: false), "n.") { ledger.progressed(id, step) }
        #expect(Self.word(ledger.standing(of: destination, at: clock.now)) == "none missing")
    }

    @Test func `the last complete finding goes before an unfinished one for as long as it counts`() throws {
        var ledger = FindingLedger()
        let finding = DANEFinding(
            destination: destination, mx: .records(isSecure: true), hosts: [Self.host("n", 0)].compactMap(\.self),
            timeToLive: 300)
        _ = ledger.landed(try start(&ledger), finding, at: clock.now)
        clock.advance(.seconds(301))
        let id = try start(&ledger)
        for step in progress(.records(isSecure: true), "s") { ledger.progressed(id, step) }
        #expect(Self.word(ledger.standing(of: destination, at: clock.now)) == "none")
        clock.advance(.seconds(3_600))
        #expect(Self.word(ledger.standing(of: destination, at: clock.now)) == "unknown missing")
    }

    @Test func `what an unfinished discovery knows goes before a failed one that knew less, and not the reverse`()
        throws
    {
        var ledger = FindingLedger()
        let failed = DANEFinding(destination: destination, mx: .failed(serverFailure), timeToLive: 0)
        _ = ledger.landed(try start(&ledger), failed, at: clock.now)
        clock.advance(.seconds(61))
        var id = try start(&ledger)
        #expect(
            ledger.standing(of: destination, at: clock.now) == .known(.notApplicable, reason: failed.reason))
        for step in progress(.records(isSecure: true), "s") { ledger.progressed(id, step) }
        #expect(Self.word(ledger.standing(of: destination, at: clock.now)) == "unknown missing")
        // The patience with it is over: one more lookup gets the same at once.
        clock.advance(.seconds(2))
        guard case .answer(let standing) = ledger.asked(destination, at: clock.now) else {
            throw Unexpected(what: "no answer")
        }
        #expect(Self.word(standing) == "unknown missing")

        let half = DANEFinding(
            destination: destination, mx: .records(isSecure: true), hosts: [Self.host("f", 0)].compactMap(\.self),
            timeToLive: 0)
        _ = ledger.landed(id, half, at: clock.now)
        clock.advance(.seconds(61))
        id = try start(&ledger)
        #expect(
            ledger.standing(of: destination, at: clock.now)
                == .known(.unknown(.all), reason: half.reason))
    }

    @Test func `a step of a discovery that has ended changes nothing`() throws {
        var ledger = FindingLedger()
        let id = try start(&ledger)
        let finding = DANEFinding(
            destination: destination, mx: .records(isSecure: false), hosts: [Self.host("i", 0)].compactMap(\.self),
            timeToLive: 300)
        _ = ledger.landed(id, finding, at: clock.now)
        for step in progress(.records(isSecure: true), "s") { ledger.progressed(id, step) }
        #expect(ledger.standing(of: destination, at: clock.now) == .known(.notApplicable, reason: nil))
    }

    // MARK: A failure of this host

    private func lifetime(of finding: DANEFinding, _ settings: LedgerSettings = LedgerSettings()) throws -> Duration {
        var ledger = FindingLedger(settings: settings)
        _ = ledger.landed(try start(&ledger), finding, at: clock.now)
        var lived = Duration.zero
        while ledger.answer(to: destination, at: clock.now) != nil {
            clock.advance(.milliseconds(500))
            lived += .milliseconds(500)
        }
        return lived
    }

    @Test func `a finding that failed because of this host is asked again after 2 seconds, any other after min-ttl`()
        throws
    {
        func failure(_ cause: DNSFailure.Cause) -> DNSFailure {
            DNSFailure(question: DNSQuestion(name: "example.com", type: .mx), cause: cause, servers: [])
        }
        func host(_ cause: DNSFailure.Cause) -> HostFinding {
            HostFinding(
                name: "mx.example.com", preference: 10, ground: .lookupFailed(failure(cause)), isSigned: true)
        }
        func finding(_ mx: MXFinding, _ hosts: HostFinding...) -> DANEFinding {
            DANEFinding(destination: destination, mx: mx, hosts: hosts, timeToLive: 3_600)
        }
        let (local, remote) = (DNSFailure.Cause.local("no descriptor"), DNSFailure.Cause.responseCode(2))
        let secure = MXFinding.records(isSecure: true)
        #expect(try lifetime(of: finding(.failed(failure(local)))) == .seconds(2))
        #expect(try lifetime(of: finding(secure, host(local))) == .seconds(2))
        #expect(try lifetime(of: finding(secure, host(remote), host(local))) == .seconds(2))
        #expect(try lifetime(of: finding(.failed(failure(remote)))) == .seconds(60))
        #expect(try lifetime(of: finding(secure, host(remote))) == .seconds(60))
        // A laboratory's shorter min-ttl is not lengthened.
        let short = LedgerSettings(minimumTTL: .seconds(1))
        #expect(try lifetime(of: finding(secure, host(local)), short) == .seconds(1))
    }
}
