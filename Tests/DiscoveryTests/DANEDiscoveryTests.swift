import DANE
import Discovery
import Synchronization
import Testing
import TestSupport

/// The MX set, and the coverage of its hosts (RFC 7672 §2.1.2, §2.2.1).
@Suite(.timeLimit(.minutes(5))) struct DANEDiscoveryTests {
    let fixture = DANEFixture()
    let usable = ScriptedValidatingResolver.Reply.secure(DANEFixture.usableTLSA)

    // MARK: Zones

    @Test func `DANE-2.2-a DANE-6-a a signed domain whose hosts all have good TLSA is covered`() async throws {
        fixture.mx("mx1.example.com", "mx2.example.com")
        fixture.host("mx1.example.com", tlsa: usable)
        fixture.host("mx2.example.com", tlsa: usable)
        #expect(try await fixture.coverage() == .complete)
    }

    @Test func `DANE-2.2.1-e TLSA on one of two hosts covers the domain in part`() async throws {
        fixture.mx("mx1.example.com", "mx2.example.com")
        fixture.host("mx1.example.com")
        fixture.host("mx2.example.com", tlsa: usable)
        let result = try await fixture.result()
        #expect(result.hosts.map(\.status) == [.none, .usable])
        #expect(result.coverage(wasSigned: false) == .partial)
    }

    @Test func `DANE-2.2.1-c DANE-2.2.1-d an unsigned domain at a signed provider is covered in part`() async throws {
        fixture.mx("mx.provider.example", isSecure: false)
        fixture.host("mx.provider.example", tlsa: usable)
        let result = try await fixture.result()
        #expect(result.mx == .records(isSecure: false))
        #expect(result.coverage(wasSigned: false) == .partial)
        #expect(!result.isSigned)
    }

    @Test func `DANE-2.1.2-b the failure of one host does not change the others`() async throws {
        fixture.mx("mx1.example.com", "mx2.example.com")
        fixture.resolver.script("mx1.example.com", type: .a, reply: DANEFixture.servfail)
        fixture.resolver.script("mx1.example.com", type: .aaaa, reply: DANEFixture.servfail)
        fixture.host("mx2.example.com", tlsa: usable)
        let result = try await fixture.result()
        #expect(result.hosts.map(\.status).last == .usable)
        #expect(result.hosts.first?.failure?.question == DNSQuestion(name: "mx1.example.com", type: .a))
        #expect(result.coverage(wasSigned: false) == .complete)
        #expect(!result.isComplete)
    }

    @Test func `an unsigned NXDOMAIN of one host is not an error and does not count`() async throws {
        fixture.mx("gone.example.net", "mx2.example.com")
        fixture.host("mx2.example.com", tlsa: usable)
        let result = try await fixture.result()
        #expect(result.hosts.map(\.status) == [.absent, .usable])
        #expect(result.coverage(wasSigned: false) == .complete)
        #expect(result.isComplete)
    }

    @Test func `DANE-2.1.2-a a failed MX query is unknown if the domain was signed, otherwise no DANE`()
        async throws
    {
        fixture.resolver.script("example.com", type: .mx, reply: .failure(.bogus("no DNSKEY")))
        let result = try await fixture.result()
        #expect(result.coverage(wasSigned: true) == .unknown(.all))
        #expect(result.coverage(wasSigned: false) == .notApplicable)
        #expect(result.reason == "example.com MX: bogus: no DNSKEY (servers 192.0.2.53)")
        #expect(result.hosts.isEmpty)
        #expect(result.timeToLive == 0)
        #expect(fixture.resolver.asked.count == 1)
    }

    @Test func `an error below an unsigned domain is no DANE`() async throws {
        fixture.mx("mx1.example.com", isSecure: false)
        fixture.resolver.script("mx1.example.com", type: .a, reply: DANEFixture.servfail)
        fixture.resolver.script("mx1.example.com", type: .aaaa, reply: DANEFixture.servfail)
        #expect(try await fixture.coverage() == .notApplicable)
    }

    @Test func `an error below a secure MX set is unknown, and a host without DANE is reported`() async throws {
        fixture.mx("mx1.example.com", "mx2.example.com")
        fixture.host("mx1.example.com", tlsa: DANEFixture.servfail)
        fixture.host("mx2.example.com", isSecure: false)
        #expect(try await fixture.coverage() == .unknown([.partial, .notApplicable]))
    }

    // MARK: Kinds of MX set

    @Test func `a null MX accepts no mail: no host, no query, no DANE`() async throws {
        for isSecure in [true, false] {
            let content = DNSAnswer.Content.records([[0, 0, 0]])
            fixture.resolver.script("example.com", type: .mx, reply: isSecure ? .secure(content) : .insecure(content))
            let result = try await fixture.result()
            #expect(result.mx == .null(isSecure: isSecure))
            #expect(result.coverage(wasSigned: true) == .notApplicable)
        }
        #expect(fixture.resolver.asked.count == 2)
    }

    @Test func `a root among other hosts is ignored`() async throws {
        fixture.mx(".", "mx2.example.com")
        fixture.host("mx2.example.com", tlsa: usable)
        let result = try await fixture.result()
        #expect(result.hosts.map(\.reason).first == .noHostName)
        #expect(result.coverage(wasSigned: false) == .complete)
    }

    @Test func `DANE-2.2.2-a a domain without MX is its own host`() async throws {
        fixture.resolver.script("example.com", type: .mx, reply: .secure(.noData))
        fixture.host("example.com", tlsa: usable)
        let result = try await fixture.result()
        #expect(result.mx == .implicit(isSecure: true))
        #expect(result.hosts.map(\.name) == ["example.com"])
        #expect(result.hosts.map(\.preference) == [nil])
        #expect(result.coverage(wasSigned: false) == .complete)
        #expect(fixture.asked(.tlsa) == ["_25._tcp.example.com"])
    }

    @Test func `an insecure denial of MX makes the implicit host no better than an insecure MX set`() async throws {
        fixture.resolver.script("example.com", type: .mx, reply: .insecure(.noData))
        fixture.host("example.com", tlsa: usable)
        #expect(try await fixture.coverage() == .partial)
    }

    @Test func `a domain that does not exist has no hosts`() async throws {
        fixture.resolver.script("example.com", type: .mx, reply: .secure(.nameError))
        fixture.host("example.com", tlsa: usable)
        let result = try await fixture.result()
        #expect(result.mx == .noSuchDomain(isSecure: true))
        #expect(result.hosts.isEmpty)
        #expect(result.coverage(wasSigned: true) == .notApplicable)
        #expect(fixture.resolver.asked.count == 1)
    }

    @Test func `DANE-2.2.2-a a next-hop that is a host is looked up itself, without MX`() async throws {
        fixture.mx("other.example.com")
        fixture.host("example.com", tlsa: usable)
        let report = try await fixture.report(isHost: true)
        #expect(report.mx == nil)
        #expect(report.result.hosts.map(\.name) == ["example.com"])
        #expect(report.result.coverage(wasSigned: false) == .complete)
        #expect(fixture.resolver.count(.mx) == 0)
    }

    @Test func `a host named by the administrator is not signed by that: its error is no DANE`() async throws {
        fixture.resolver.script("example.com", type: .a, reply: DANEFixture.servfail)
        fixture.resolver.script("example.com", type: .aaaa, reply: DANEFixture.servfail)
        let result = try await fixture.report(isHost: true).result
        #expect(!result.isSigned)
        #expect(result.coverage(wasSigned: false) == .notApplicable)
        #expect(result.coverage(wasSigned: true) == .unknown(.all))
    }

    @Test func `DANE-2.2-e an MX with an address is not looked up and does not count`() async throws {
        fixture.mx("192.0.2.1", "mx2.example.com")
        fixture.host("192.0.2.1", tlsa: usable)
        fixture.host("mx2.example.com", tlsa: usable)
        let result = try await fixture.result()
        #expect(result.hosts.map(\.status) == [.absent, .usable])
        #expect(!fixture.resolver.asked.contains { $0.name.contains("192.0.2.1") })
        #expect(result.coverage(wasSigned: false) == .complete)
    }

    @Test func `DANE-2.1.1-c a malformed MX record fails the whole set`() async throws {
        let data = [mxData(10, name: "mx1.example.com"), [0, 20, 0xC0, 0x0C]]
        fixture.resolver.script("example.com", type: .mx, reply: .secure(.records(data)))
        fixture.host("mx1.example.com", tlsa: usable)
        let report = try await fixture.report()
        #expect(
            report.result.failure?.cause == .malformedAnswer("MX data contains a label of more than 63 octets"))
        #expect(report.mx?.failure == report.result.failure)
        #expect(report.result.hosts.isEmpty)
    }

    // MARK: Order

    @Test func `DANE-2.2.1-b hosts are ordered by preference, not by TLSA`() async throws {
        let data = [
            mxData(30, name: "c.example.com"), mxData(10, name: "b.example.com"), mxData(20, name: "a.example.com"),
        ]
        fixture.resolver.script("example.com", type: .mx, reply: .secure(.records(data)))
        fixture.host("a.example.com", isSecure: false)
        fixture.host("b.example.com")
        fixture.host("c.example.com", tlsa: usable)
        let result = try await fixture.result()
        #expect(result.hosts.map(\.name) == ["b.example.com", "a.example.com", "c.example.com"])
        #expect(result.hosts.map(\.preference) == [10, 20, 30])
        #expect(result.hosts.map(\.status) == [.none, .none, .usable])
    }

    @Test func `hosts are ordered by preference, not by the time of their answers`() async throws {
        fixture.mx("mx1.example.com", "mx2.example.com")
        fixture.host("mx1.example.com", tlsa: usable)
        fixture.host("mx2.example.com")
        let gate = fixture.resolver.hold("mx1.example.com", type: .a)
        let last = fixture.resolver.hold("_25._tcp.mx2.example.com", type: .tlsa)
        last.open()
        async let result = fixture.result()
        await last.arrivals()
        gate.open()
        #expect(try await result.hosts.map(\.name) == ["mx1.example.com", "mx2.example.com"])
    }

    @Test func `a duplicate host is looked up once, with its best preference`() async throws {
        let data = [
            mxData(20, name: "MX1.example.com"), mxData(10, name: "mx1.example.com"),
            mxData(10, name: "mx1.EXAMPLE.com"),
        ]
        fixture.resolver.script("example.com", type: .mx, reply: .secure(.records(data)))
        fixture.host("mx1.example.com", tlsa: usable)
        let result = try await fixture.result()
        #expect(result.hosts.map(\.preference) == [10])
        #expect(fixture.resolver.asked.count == 4)
    }

    // MARK: Bounds

    /// A thousand hosts of falling preference: `h999` is the best.
    private func thousand(isSecure: Bool = true) {
        let data = (0..<1_000).map { mxData(UInt16(1_000 - $0), name: "h\($0).example.com") }
        fixture.resolver.script(
            "example.com", type: .mx, reply: isSecure ? .secure(.records(data)) : .insecure(.records(data)))
    }

    @Test func `of 1,000 hosts the 20 best are looked up, with a limited number of queries at once`() async throws {
        thousand()
        for host in 980..<1_000 { fixture.host("h\(host).example.com", tlsa: usable) }
        let result = try await fixture.result()
        #expect(result.hosts.map(\.name) == (980..<1_000).reversed().map { "h\($0).example.com" })
        #expect(result.skippedHosts == 980)
        #expect(fixture.resolver.asked.count == 1 + 20 * 3)
        #expect(fixture.resolver.mostAtOnce <= 16)
        #expect(fixture.resolver.mostAtOnce > 2)
        // The rest may fail, so Postfix must not go there without DANE: `dane-only` sees to that.
        #expect(result.coverage(wasSigned: false) == .complete)
    }

    @Test func `skipped hosts count as failed in a signed domain, and have no effect in others`()
        async throws
    {
        thousand()
        for host in 980..<1_000 { fixture.host("h\(host).example.com", isSecure: false) }
        let signed = try await fixture.result()
        #expect(signed.coverage(wasSigned: false) == .unknown([.partial, .notApplicable]))
        #expect(signed.reason == "example.com MX: 980 hosts beyond the limit were not looked up")
        #expect(signed.isComplete)
        thousand(isSecure: false)
        #expect(try await fixture.coverage() == .notApplicable)
    }

    @Test func `names that are not hosts do not count against the limit`() async throws {
        let data = (0..<100).map { mxData(1, name: "192.0.2.\($0)") } + [mxData(10, name: "mx.example.com")]
        fixture.resolver.script("example.com", type: .mx, reply: .secure(.records(data)))
        fixture.host("mx.example.com", tlsa: usable)
        let result = try await fixture.result()
        #expect(result.hosts.count == 21)
        #expect(result.skippedHosts == 0)
        #expect(result.coverage(wasSigned: false) == .complete)
    }

    @Test func `an MX answer of 64 KiB causes limited work`() async throws {
        let data = (0..<4_000).map { mxData(10, name: "h\($0).x") }
        fixture.resolver.script("example.com", type: .mx, reply: .insecure(.records(data)))
        let result = try await fixture.result()
        #expect(result.hosts.count == 20)
        #expect(fixture.resolver.asked.count <= 41)
    }

    @Test func `hosts are looked up at once`() async throws {
        fixture.mx("mx1.example.com", "mx2.example.com")
        fixture.host("mx1.example.com")
        fixture.host("mx2.example.com")
        let gates = ["mx1.example.com", "mx2.example.com"].map { fixture.resolver.hold($0, type: .a) }
        async let result = fixture.result()
        for gate in gates { await gate.arrivals() }
        for gate in gates { gate.open() }
        #expect(try await result.hosts.count == 2)
    }

    // MARK: Progress

    /// The intermediate results of a discovery.
    private final class Progress: Sendable {
        private let findings = Mutex<[DANEResult]>([])

        init(_ destination: Destination) { findings.withLock { $0 = [.unfinished(destination)] } }

        func add(_ step: DANEProgress) {
            findings.withLock { findings in
                if let last = findings.last { findings.append(last.updated(with: step)) }
            }
        }

        var all: [DANEResult] { findings.withLock(\.self) }
    }

    @Test func `DANE-2.1.2-c each query is reported at its end, and missing answers count as failed`() async throws {
        fixture.mx("mx1.example.com", "mx2.example.com", ".")
        fixture.host("mx1.example.com", tlsa: usable)
        fixture.host("mx2.example.com", isSecure: false)
        let destination = Destination(domain: try domain("example.com"))
        let progress = Progress(destination)
        let gates = [
            fixture.resolver.hold("mx1.example.com", type: .a),
            fixture.resolver.hold("_25._tcp.mx1.example.com", type: .tlsa),
        ]
        let second = fixture.resolver.hold("mx2.example.com", type: .a)
        async let report = DANEDiscovery(resolver: fixture.resolver).report(on: destination, onProgress: progress.add)
        func statuses(_ result: DANEResult?) -> [String] {
            (result?.hosts ?? []).map { host in
                switch host.status {
                case .usable: "usable"
                case .unusable: "unusable"
                case .none: "none"
                case .absent: "absent"
                case .failed(let failure): "\(failure) \(host.isSigned)"
                }
            }
        }
        await gates[0].arrivals()
        await second.arrivals()
        let open = ["mx1.example.com A: not answered yet false", "mx2.example.com A: not answered yet false", "absent"]
        #expect(progress.all.map(\.mx).first?.security == .failed)
        #expect(statuses(progress.all.last) == open)
        #expect(progress.all.last?.mx == .records(isSecure: true))
        gates[0].open()
        await gates[1].arrivals()
        #expect(
            statuses(progress.all.last)
                == ["_25._tcp.mx1.example.com TLSA: not answered yet true", open[1], "absent"])
        second.open()
        while statuses(progress.all.last)[1] != "none", !Task.isCancelled { await Task.yield() }
        gates[1].open()
        let result = await report.result
        #expect(statuses(progress.all.last) == ["usable", "none", "absent"])
        #expect(progress.all.last?.hosts == result.hosts && progress.all.last?.mx == result.mx)
    }

    @Test func `a smart host's progress begins with its address`() async throws {
        fixture.host("relay.example.com", tlsa: usable)
        let destination = Destination(domain: try domain("relay.example.com"), isHost: true)
        let progress = Progress(destination)
        let result = await DANEDiscovery(resolver: fixture.resolver)
            .report(on: destination, onProgress: progress.add).result
        let failures = progress.all.map { $0.failure?.description }
        #expect(
            failures == [
                "relay.example.com A: not answered yet", "relay.example.com A: not answered yet",
                "_25._tcp.relay.example.com TLSA: not answered yet", nil,
            ])
        #expect(progress.all.last?.hosts == result.hosts)
    }

    @Test func `progress keeps the number of skipped hosts, and ignores an index out of range`()
        async throws
    {
        let destination = Destination(domain: try domain("example.com"))
        let host = MXHostResult(name: "mx.example.com", preference: 1, reason: .noTLSA, isSigned: true)
        let start = DANEResult(
            destination: destination, mx: .records(isSecure: true), hosts: [host], skippedHosts: 3, timeToLive: 0)
        #expect(start.updated(with: .host(host, index: 0)) == start)
        #expect(start.updated(with: .host(host, index: 1)) == start)
    }
}
