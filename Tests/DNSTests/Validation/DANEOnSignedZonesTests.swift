import DANE
import Discovery
import MTASTS
import TestSupport
import Testing

@testable import DNSClient
@testable import UnboundDNS

/// The discovery of DANE over zones that knot really signs, judged by libunbound alone: no bit of any server is believed.
extension SignedZoneTests {
    @Suite(.timeLimit(.minutes(5)))
    struct DANEOnSignedZonesTests {
        let knot: KnotServer

        init() throws { knot = try MailZones.knot() }

        // MARK: Signed domains

        @Test func `DANE-2.2-a fully signed with good TLSA is covered`() async throws {
            let report = try await report(on: "full.signed")
            #expect(report.result.mx == .records(isSecure: true))
            #expect(report.result.hosts.map(\.status) == [.usable, .usable])
            #expect(report.result.coverage(wasSigned: false) == .complete)
            #expect(report.queries.allSatisfy { $0.answer?.isSecure == true })
        }

        @Test func `DANE-2.2.1-e TLSA on one of two hosts covers in part`() async throws {
            let result = try await report(on: "half.signed").result
            #expect(result.hosts.map(\.status) == [.usable, .none])
            #expect(result.coverage(wasSigned: false) == .partial)
        }

        @Test func `DANE-2.2-b where no TLSA record is usable, the host is covered in part`() async throws {
            let result = try await report(on: "unusable.signed").result
            #expect(result.hosts.map(\.status) == [.unusable])
            #expect(result.hosts.first?.reason == .secureTLSA(base: "pkix.signed", Self.fiveUnusable))
            #expect(result.coverage(wasSigned: false) == .partial)
        }

        @Test func `a null MX takes no mail, a domain without MX is its own host`() async throws {
            let null = try await report(on: "null.signed")
            #expect(null.result.mx == .null(isSecure: true))
            #expect(null.result.coverage(wasSigned: true) == .notApplicable)
            #expect(null.queries.count == 1)
            let implicit = try await report(on: "implicit.signed").result
            #expect(implicit.mx == .implicit(isSecure: true))
            #expect(implicit.coverage(wasSigned: false) == .complete)
        }

        // MARK: Aliases (RFC 7672 §2.2.2)

        @Test func `DANE-2.2.2-f TLSA at the expanded name goes before TLSA at the alias`() async throws {
            #expect(try await reason(of: "alias-both.signed") == .secureTLSA(base: "mx1.signed", Self.oneUsable))
        }

        @Test func `DANE-2.2.3-b where the expanded name has none, the alias's own TLSA counts`() async throws {
            #expect(
                try await reason(of: "alias-first.signed") == .secureTLSA(base: "own.alias.signed", Self.oneUsable))
        }

        @Test func `DANE-2.2.2-f a signed alias of an unsigned host may have TLSA of its own`() async throws {
            let report = try await report(on: "alias-away.signed")
            #expect(
                report.result.hosts.first?.reason == .secureTLSA(base: "away.alias.signed", Self.oneUsable))
            #expect(!report.queries.contains { $0.question.name.hasPrefix("_25._tcp.host.unsigned") })
        }

        @Test func `DANE-2.2.2-f an unsigned alias of a signed host has no DANE`() async throws {
            let report = try await report(on: "alias-in.unsigned")
            #expect(report.result.hosts.map(\.status) == [.none])
            #expect(!report.queries.contains { $0.question.type == .tlsa })
        }

        // MARK: Unsigned domains

        @Test func `DANE-2.2.1-c an unsigned domain at a signed provider is covered in part`() async throws {
            let result = try await report(on: "customer.unsigned").result
            #expect(result.mx == .records(isSecure: false))
            #expect(result.hosts.map(\.status) == [.usable])
            #expect(result.coverage(wasSigned: false) == .partial)
        }

        @Test func `DANE-2.2.2-c an unsigned zone whose TLSA fails is not asked for it`() async throws {
            let stub = try StubServer.forwarder(to: knot.port) { query, response in
                query.type == RecordType.tlsa.rawValue ? query.response(code: 2) : response
            }
            defer { stub.stop() }
            let report = try await report(on: "plain.unsigned", port: stub.port)
            #expect(report.result.hosts.map(\.status) == [.none])
            #expect(report.result.coverage(wasSigned: false) == .notApplicable)
            #expect(!stub.asked.contains { $0.hasPrefix("_25._tcp") })
        }

        @Test func `DANE-2.1.1-b an unsigned NXDOMAIN of one host is an answer, and the host does not count`()
            async throws
        {
            let result = try await report(on: "gone.unsigned").result
            #expect(result.hosts.map(\.status) == [.absent, .none])
            #expect(result.isComplete)
            #expect(result.coverage(wasSigned: true) == .notApplicable)
        }

        // MARK: Failures

        @Test func `DANE-2.1.2-c TLSA that fails below a signed host leaves DANE unknown`() async throws {
            let stub = try StubServer.forwarder(to: knot.port) { query, response in
                query.type == RecordType.tlsa.rawValue ? query.response(code: 2) : response
            }
            defer { stub.stop() }
            let result = try await report(on: "full.signed", port: stub.port).result
            #expect(result.coverage(wasSigned: false) == .unknown(.all))
            #expect(
                result.reason
                    == "_25._tcp.mx1.signed TLSA: SERVFAIL (servers 127.0.0.1@\(stub.port))")
        }

        @Test func `an AAAA question that fails spoils nothing where the A answer is good`() async throws {
            let stub = try StubServer.forwarder(to: knot.port) { query, response in
                query.type == RecordType.aaaa.rawValue ? query.response(code: 2) : response
            }
            defer { stub.stop() }
            let signed = try await report(on: "full.signed", port: stub.port).result
            #expect(signed.coverage(wasSigned: false) == .complete)
            let unsigned = try await report(on: "plain.unsigned", port: stub.port).result
            #expect(unsigned.hosts.map(\.status) == [.none])
            #expect(unsigned.coverage(wasSigned: false) == .notApplicable)
        }

        @Test func `DANE-2.1.1-c a zone with wrong signatures fails, and libunbound says why`() async throws {
            let result = try await report(on: "full.bogus").result
            guard case .bogus(let why)? = result.failure?.cause else {
                Issue.record("not bogus: \(result)")
                return
            }
            #expect(!why.isEmpty)
            #expect(result.coverage(wasSigned: true) == .unknown(.all))
            #expect(result.coverage(wasSigned: false) == .notApplicable)
        }

        @Test func `a signed domain at a host of a broken zone is unknown, not unprotected`() async throws {
            let result = try await report(on: "hosted.signed").result
            #expect(result.mx == .records(isSecure: true))
            #expect(result.coverage(wasSigned: false) == .unknown(.all))
        }

        // MARK: Bad input

        @Test func `an MX that is an address, or a loop of aliases, is reported and does not count`() async throws {
            let address = try await report(on: "address.signed").result
            #expect(address.hosts.map(\.reason) == [.noHostName])
            let loop = try await report(on: "loop.signed").result
            #expect(loop.failure != nil)
            #expect(loop.coverage(wasSigned: false) == .unknown(.all))
        }

        @Test func `of 1,000 signed hosts the best are looked at`() async throws {
            let report = try await report(on: "many.signed")
            #expect(report.result.hosts.count == 20)
            #expect(report.result.skippedHosts == 980)
            #expect(report.queries.count <= 1 + 20 * 5)
        }

        // MARK: Helpers

        /// Compared by what they come to, not by their octets.
        private static let oneUsable = TLSARecordSet(rdata: [[3, 1, 1] + [UInt8](repeating: 13, count: 32)])
        private static let fiveUnusable = TLSARecordSet(rdata: [[UInt8]](repeating: [], count: 5))

        private func report(on name: String, port: UInt16? = nil) async throws -> DANEReport {
            let validator = try knot.validator(port: port)
            defer { validator.close() }
            let destination = Destination(domain: try domain(name))
            return await DANEDiscovery(resolver: validator).report(on: destination)
        }

        private func reason(of name: String) async throws -> MXHostResult.Reason? {
            let hosts = try await report(on: name).result.hosts
            return hosts.count == 1 ? hosts.first?.reason : nil
        }
    }
}

/// Mail domains below three top-level zones: one signed, one not, one whose signatures do not fit its DS record.
private enum MailZones {
    static let usable = "TLSA 3 1 1 \("0d".repeated(32))"
    /// PKIX-TA, PKIX-EE, a digest that is too short, an unknown selector, an unknown matching type (RFC 7672 §3.1.3).
    static let unusable = [
        "TLSA 0 0 1 \("0d".repeated(32))", "TLSA 1 1 1 \("0d".repeated(32))", "TLSA 3 1 1 \("0d".repeated(31))",
        "TLSA 3 7 1 \("0d".repeated(32))", "TLSA 3 1 9 \("0d".repeated(32))",
    ]

    static let root =
        SignedZones.soa()
        + ["signed", "unsigned", "bogus"].map { "\($0) 300 NS ns.\($0)\nns.\($0) 300 A 127.0.0.1\n" }.joined() + """
            @DS signed
            bogus 300 DS 4711 13 2 \("ab".repeated(32))

            """

    static let signed =
        SignedZones.soa()
        + [
            "mx1 300 A 192.0.2.1", "mx1 300 AAAA 2001:db8::1", "_25._tcp.mx1 300 \(usable)",
            "mx2 300 A 192.0.2.2", "_25._tcp.mx2 300 \(usable)",
            "bare 300 A 192.0.2.3",
            "pkix 300 A 192.0.2.4",
            "full 300 MX 10 mx1", "full 300 MX 20 mx2",
            "half 300 MX 10 mx1", "half 300 MX 20 bare",
            "unusable 300 MX 10 pkix",
            "null 300 MX 0 .",
            "implicit 300 A 192.0.2.5", "_25._tcp.implicit 300 \(usable)",
            "both.alias 300 CNAME mx1", "_25._tcp.both.alias 300 \(unusable[0])",
            "alias-both 300 MX 10 both.alias",
            "own.alias 300 CNAME bare", "_25._tcp.own.alias 300 \(usable)",
            "alias-first 300 MX 10 own.alias",
            "away.alias 300 CNAME host.unsigned.", "_25._tcp.away.alias 300 \(usable)",
            "alias-away 300 MX 10 away.alias",
            "hosted 300 MX 10 mx1.bogus.",
            "address 300 MX 10 192.0.2.1.",
            "loop 300 MX 10 round", "round 300 CNAME about", "about 300 CNAME round",
        ].joined(separator: "\n") + "\n" + unusable.map { "_25._tcp.pkix 300 \($0)\n" }.joined()
        + (1...1_000).map { "many 300 MX \($0) host\($0)\n" }.joined()

    static let unsigned =
        SignedZones.soa()
        + [
            "host 300 A 192.0.2.6", "_25._tcp.host 300 \(usable)",
            "plain 300 MX 10 host",
            "customer 300 MX 10 mx1.signed.",
            "gone 300 MX 10 nowhere", "gone 300 MX 20 host",
            "in 300 CNAME mx1.signed.", "alias-in 300 MX 10 in",
        ].joined(separator: "\n") + "\n"

    static let bogus = SignedZones.soa() + "mx1 300 A 192.0.2.7\n_25._tcp.mx1 300 \(usable)\nfull 300 MX 10 mx1\n"

    static func knot() throws -> KnotServer {
        try KnotServer(
            zones: [".": root, "signed": signed, "unsigned": unsigned, "bogus": bogus],
            signing: [".": .nsec, "signed": .nsec3, "bogus": .nsec])
    }
}
