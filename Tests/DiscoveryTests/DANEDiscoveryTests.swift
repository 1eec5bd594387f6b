import DANE
import Discovery
import Synchronization
import Testing
import TestSupport

/// The MX set, and what its hosts come to together (RFC 7672 §2.1.2, §2.2.1).
@Suite(.timeLimit(.minutes(5))) struct DANEDiscoveryTests {
    let lab = DANELab()
    let usable = ScriptedValidatingResolver.Reply.secure(DANELab.usableTLSA)

    // MARK: Zones

    @Test func `DANE-2.2-a DANE-6-a a signed domain whose hosts all have good TLSA is covered`() async throws {
        lab.mx("mx1.example.com", "mx2.example.com")
        lab.host("mx1.example.com", tlsa: usable)
        lab.host("mx2.example.com", tlsa: usable)
        #expect(try await lab.coverage() == .complete)
    }

    @Test func `DANE-2.2.1-e TLSA on one of two hosts covers the domain in part`() async throws {
        lab.mx("mx1.example.com", "mx2.example.com")
        lab.host("mx1.example.com")
        lab.host("mx2.example.com", tlsa: usable)
        let finding = try await lab.finding()
        #expect(finding.hosts.map(\.judgement) == [.none, .usable])
        #expect(finding.coverage(wasSigned: false) == .partial)
    }

    @Test func `DANE-2.2.1-c DANE-2.2.1-d an unsigned domain at a signed provider is covered in part`() async throws {
        lab.mx("mx.provider.example", isSecure: false)
        lab.host("mx.provider.example", tlsa: usable)
        let finding = try await lab.finding()
        #expect(finding.mx == .records(isSecure: false))
        #expect(finding.coverage(wasSigned: false) == .partial)
        #expect(!finding.isSigned)
    }

    @Test func `DANE-2.1.2-b one host that fails leaves the others as they are`() async throws {
        lab.mx("mx1.example.com", "mx2.example.com")
        lab.resolver.script("mx1.example.com", .a, DANELab.servfail)
        lab.resolver.script("mx1.example.com", .aaaa, DANELab.servfail)
        lab.host("mx2.example.com", tlsa: usable)
        let finding = try await lab.finding()
        #expect(finding.hosts.map(\.judgement).last == .usable)
        #expect(finding.hosts.first?.failure?.question == DNSQuestion(name: "mx1.example.com", type: .a))
        #expect(finding.coverage(wasSigned: false) == .complete)
        #expect(!finding.isComplete)
    }

    @Test func `an unsigned NXDOMAIN of one host is not an error and does not count`() async throws {
        lab.mx("gone.example.net", "mx2.example.com")
        lab.host("mx2.example.com", tlsa: usable)
        let finding = try await lab.finding()
        #expect(finding.hosts.map(\.judgement) == [.absent, .usable])
        #expect(finding.coverage(wasSigned: false) == .complete)
        #expect(finding.isComplete)
    }

    @Test func `DANE-2.1.2-a an MX question that fails leaves it unknown where the domain was signed, else no DANE`()
        async throws
    {
        lab.resolver.script("example.com", .mx, .failure(.bogus("no DNSKEY")))
        let finding = try await lab.finding()
        #expect(finding.coverage(wasSigned: true) == .unknown(.all))
        #expect(finding.coverage(wasSigned: false) == .notApplicable)
        #expect(finding.reason == "example.com MX: bogus: no DNSKEY (servers 192.0.2.53)")
        #expect(finding.hosts.isEmpty)
        #expect(finding.timeToLive == 0)
        #expect(lab.resolver.asked.count == 1)
    }

    @Test func `an error below an unsigned domain is no DANE`() async throws {
        lab.mx("mx1.example.com", isSecure: false)
        lab.resolver.script("mx1.example.com", .a, DANELab.servfail)
        lab.resolver.script("mx1.example.com", .aaaa, DANELab.servfail)
        #expect(try await lab.coverage() == .notApplicable)
    }

    @Test func `an error below a secure MX set is unknown, and a host without DANE is told`() async throws {
        lab.mx("mx1.example.com", "mx2.example.com")
        lab.host("mx1.example.com", tlsa: DANELab.servfail)
        lab.host("mx2.example.com", isSecure: false)
        #expect(try await lab.coverage() == .unknown([.partial, .notApplicable]))
    }

    // MARK: Kinds of MX set

    @Test func `a null MX takes no mail: no host, no question, no DANE`() async throws {
        for isSecure in [true, false] {
            let content = DNSAnswer.Content.records([[0, 0, 0]])
            lab.resolver.script("example.com", .mx, isSecure ? .secure(content) : .insecure(content))
            let finding = try await lab.finding()
            #expect(finding.mx == .null(isSecure: isSecure))
            #expect(finding.coverage(wasSigned: true) == .notApplicable)
        }
        #expect(lab.resolver.asked.count == 2)
    }

    @Test func `a root among other hosts is only no host`() async throws {
        lab.mx(".", "mx2.example.com")
        lab.host("mx2.example.com", tlsa: usable)
        let finding = try await lab.finding()
        #expect(finding.hosts.map(\.ground).first == .noHostName)
        #expect(finding.coverage(wasSigned: false) == .complete)
    }

    @Test func `DANE-2.2.2-a a domain without MX is its own host`() async throws {
        lab.resolver.script("example.com", .mx, .secure(.noData))
        lab.host("example.com", tlsa: usable)
        let finding = try await lab.finding()
        #expect(finding.mx == .implicit(isSecure: true))
        #expect(finding.hosts.map(\.name) == ["example.com"])
        #expect(finding.hosts.map(\.preference) == [nil])
        #expect(finding.coverage(wasSigned: false) == .complete)
        #expect(lab.asked(.tlsa) == ["_25._tcp.example.com"])
    }

    @Test func `an insecure denial of MX makes the implicit host no better than an insecure MX set`() async throws {
        lab.resolver.script("example.com", .mx, .insecure(.noData))
        lab.host("example.com", tlsa: usable)
        #expect(try await lab.coverage() == .partial)
    }

    @Test func `a domain that does not exist has no hosts`() async throws {
        lab.resolver.script("example.com", .mx, .secure(.nameError))
        lab.host("example.com", tlsa: usable)
        let finding = try await lab.finding()
        #expect(finding.mx == .noSuchDomain(isSecure: true))
        #expect(finding.hosts.isEmpty)
        #expect(finding.coverage(wasSigned: true) == .notApplicable)
        #expect(lab.resolver.asked.count == 1)
    }

    @Test func `DANE-2.2.2-a a next-hop that is a host is asked for itself, without MX`() async throws {
        lab.mx("other.example.com")
        lab.host("example.com", tlsa: usable)
        let report = try await lab.report(isHost: true)
        #expect(report.mx == nil)
        #expect(report.finding.hosts.map(\.name) == ["example.com"])
        #expect(report.finding.coverage(wasSigned: false) == .complete)
        #expect(lab.resolver.count(.mx) == 0)
    }

    @Test func `a host named by the administrator is not signed by that: its error is no DANE`() async throws {
        lab.resolver.script("example.com", .a, DANELab.servfail)
        lab.resolver.script("example.com", .aaaa, DANELab.servfail)
        let finding = try await lab.report(isHost: true).finding
        #expect(!finding.isSigned)
        #expect(finding.coverage(wasSigned: false) == .notApplicable)
        #expect(finding.coverage(wasSigned: true) == .unknown(.all))
    }

    @Test func `DANE-2.2-e an MX that lists an address is not asked for and does not count`() async throws {
        lab.mx("192.0.2.1", "mx2.example.com")
        lab.host("192.0.2.1", tlsa: usable)
        lab.host("mx2.example.com", tlsa: usable)
        let finding = try await lab.finding()
        #expect(finding.hosts.map(\.judgement) == [.absent, .usable])
        #expect(!lab.resolver.asked.contains { $0.name.contains("192.0.2.1") })
        #expect(finding.coverage(wasSigned: false) == .complete)
    }

    @Test func `DANE-2.1.1-c a malformed MX record fails the whole set`() async throws {
        let data = [mxData(10, "mx1.example.com"), [0, 20, 0xC0, 0x0C]]
        lab.resolver.script("example.com", .mx, .secure(.records(data)))
        lab.host("mx1.example.com", tlsa: usable)
        let report = try await lab.report()
        #expect(
            report.finding.failure?.cause == .malformedAnswer("MX data with a label of more than 63 octets"))
        #expect(report.mx?.failure == report.finding.failure)
        #expect(report.finding.hosts.isEmpty)
    }

    // MARK: Order

    @Test func `DANE-2.2.1-b hosts stand by preference; TLSA moves none ahead`() async throws {
        let data = [
            mxData(30, "c.example.com"), mxData(10, "b.example.com"), mxData(20, "a.example.com"),
        ]
        lab.resolver.script("example.com", .mx, .secure(.records(data)))
        lab.host("a.example.com", isSecure: false)
        lab.host("b.example.com")
        lab.host("c.example.com", tlsa: usable)
        let finding = try await lab.finding()
        #expect(finding.hosts.map(\.name) == ["b.example.com", "a.example.com", "c.example.com"])
        #expect(finding.hosts.map(\.preference) == [10, 20, 30])
        #expect(finding.hosts.map(\.judgement) == [.none, .none, .usable])
    }

    @Test func `hosts stand by preference whichever answers first`() async throws {
        lab.mx("mx1.example.com", "mx2.example.com")
        lab.host("mx1.example.com", tlsa: usable)
        lab.host("mx2.example.com")
        let gate = lab.resolver.hold("mx1.example.com", .a)
        let last = lab.resolver.hold("_25._tcp.mx2.example.com", .tlsa)
        last.open()
        async let finding = lab.finding()
        await last.arrivals()
        gate.open()
        #expect(try await finding.hosts.map(\.name) == ["mx1.example.com", "mx2.example.com"])
    }

    @Test func `a host that is named twice is asked for once, at its best preference`() async throws {
        let data = [mxData(20, "MX1.example.com"), mxData(10, "mx1.example.com"), mxData(10, "mx1.EXAMPLE.com")]
        lab.resolver.script("example.com", .mx, .secure(.records(data)))
        lab.host("mx1.example.com", tlsa: usable)
        let finding = try await lab.finding()
        #expect(finding.hosts.map(\.preference) == [10])
        #expect(lab.resolver.asked.count == 4)
    }

    // MARK: Bounds

    /// A thousand hosts of falling preference: `h999` is the best.
    private func thousand(isSecure: Bool = true) {
        let data = (0..<1_000).map { mxData(UInt16(1_000 - $0), "h\($0).example.com") }
        lab.resolver.script("example.com", .mx, isSecure ? .secure(.records(data)) : .insecure(.records(data)))
    }

    @Test func `of 1,000 hosts the 20 best are looked at, with a bounded number of questions at once`() async throws {
        thousand()
        for host in 980..<1_000 { lab.host("h\(host).example.com", tlsa: usable) }
        let finding = try await lab.finding()
        #expect(finding.hosts.map(\.name) == (980..<1_000).reversed().map { "h\($0).example.com" })
        #expect(finding.leftOut == 980)
        #expect(lab.resolver.asked.count == 1 + 20 * 3)
        #expect(lab.resolver.mostAtOnce <= 16)
        #expect(lab.resolver.mostAtOnce > 2)
        // The rest may fail, so Postfix must not go there without DANE: `dane-only` sees to that.
        #expect(finding.coverage(wasSigned: false) == .complete)
    }

    @Test func `the hosts left out count as failed: they hide nothing in a signed domain, and cost nothing elsewhere`()
        async throws
    {
        thousand()
        for host in 980..<1_000 { lab.host("h\(host).example.com", isSecure: false) }
        let signed = try await lab.finding()
        #expect(signed.coverage(wasSigned: false) == .unknown([.partial, .notApplicable]))
        #expect(signed.reason == "example.com MX: 980 hosts too many, which were not looked at")
        #expect(signed.isComplete)
        thousand(isSecure: false)
        #expect(try await lab.coverage() == .notApplicable)
    }

    @Test func `names of no host take no host's place`() async throws {
        let data = (0..<100).map { mxData(1, "192.0.2.\($0)") } + [mxData(10, "mx.example.com")]
        lab.resolver.script("example.com", .mx, .secure(.records(data)))
        lab.host("mx.example.com", tlsa: usable)
        let finding = try await lab.finding()
        #expect(finding.hosts.count == 21)
        #expect(finding.leftOut == 0)
        #expect(finding.coverage(wasSigned: false) == .complete)
    }

    @Test func `an MX answer of 64 KiB is bounded work`() async throws {
        let data = (0..<4_000).map { mxData(10, "h\($0).x") }
        lab.resolver.script("example.com", .mx, .insecure(.records(data)))
        let finding = try await lab.finding()
        #expect(finding.hosts.count == 20)
        #expect(lab.resolver.asked.count <= 41)
    }

    @Test func `hosts are asked about side by side`() async throws {
        lab.mx("mx1.example.com", "mx2.example.com")
        lab.host("mx1.example.com")
        lab.host("mx2.example.com")
        let gates = ["mx1.example.com", "mx2.example.com"].map { lab.resolver.hold($0, .a) }
        async let finding = lab.finding()
        for gate in gates { await gate.arrivals() }
        for gate in gates { gate.open() }
        #expect(try await finding.hosts.count == 2)
    }

    // MARK: Progress

    /// The findings of a discovery so far, after each of its steps.
    private final class Progress: Sendable {
        private let findings = Mutex<[DANEFinding]>([])

        init(_ destination: DANEDestination) { findings.withLock { $0 = [.unfinished(destination)] } }

        func add(_ step: DANEProgress) {
            findings.withLock { findings in
                if let last = findings.last { findings.append(last.updated(with: step)) }
            }
        }

        var all: [DANEFinding] { findings.withLock(\.self) }
    }

    @Test func `DANE-2.1.2-c each step is reported as it ends, and what is missing counts as failed`() async throws {
        lab.mx("mx1.example.com", "mx2.example.com", ".")
        lab.host("mx1.example.com", tlsa: usable)
        lab.host("mx2.example.com", isSecure: false)
        let destination = DANEDestination(domain: try domain("example.com"))
        let progress = Progress(destination)
        let gates = [lab.resolver.hold("mx1.example.com", .a), lab.resolver.hold("_25._tcp.mx1.example.com", .tlsa)]
        let second = lab.resolver.hold("mx2.example.com", .a)
        async let report = DANEDiscovery(resolver: lab.resolver).report(on: destination, onProgress: progress.add)
        func judgements(_ finding: DANEFinding?) -> [String] {
            (finding?.hosts ?? []).map { host in
                switch host.judgement {
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
        #expect(judgements(progress.all.last) == open)
        #expect(progress.all.last?.mx == .records(isSecure: true))
        gates[0].open()
        await gates[1].arrivals()
        #expect(
            judgements(progress.all.last)
                == ["_25._tcp.mx1.example.com TLSA: not answered yet true", open[1], "absent"])
        second.open()
        while judgements(progress.all.last)[1] != "none", !Task.isCancelled { await Task.yield() }
        gates[1].open()
        let finding = await report.finding
        #expect(judgements(progress.all.last) == ["usable", "none", "absent"])
        #expect(progress.all.last?.hosts == finding.hosts && progress.all.last?.mx == finding.mx)
    }

    @Test func `a smart host's progress begins with its address`() async throws {
        lab.host("relay.example.com", tlsa: usable)
        let destination = DANEDestination(domain: try domain("relay.example.com"), isHost: true)
        let progress = Progress(destination)
        let finding = await DANEDiscovery(resolver: lab.resolver)
            .report(on: destination, onProgress: progress.add).finding
        let failures = progress.all.map { $0.failure?.description }
        #expect(
            failures == [
                "relay.example.com A: not answered yet", "relay.example.com A: not answered yet",
                "_25._tcp.relay.example.com TLSA: not answered yet", nil,
            ])
        #expect(progress.all.last?.hosts == finding.hosts)
    }

    @Test func `progress keeps the count of hosts that are not looked at, and ignores a place that is none`()
        async throws
    {
        let destination = DANEDestination(domain: try domain("example.com"))
        let host = HostFinding(name: "mx.example.com", preference: 1, ground: .noTLSA, isSigned: true)
        let start = DANEFinding(
            destination: destination, mx: .records(isSecure: true), hosts: [host], leftOut: 3, timeToLive: 0)
        #expect(start.updated(with: .host(host, at: 0)) == start)
        #expect(start.updated(with: .host(host, at: 1)) == start)
    }
}
