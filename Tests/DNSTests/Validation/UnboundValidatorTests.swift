import Discovery
import Testing
import TestSupport

@testable import DNSClient
@testable import UnboundDNS

/// Real zones with real signatures, validated by libunbound with the key of the test root.
extension SignedZoneTests {
    @Suite(.timeLimit(.minutes(5)))
    struct UnboundValidatorTests {
        let knot: KnotServer
        let validator: UnboundValidator

        init() throws {
            knot = try SignedZones.knot()
            validator = try knot.validator()
        }

        @Test func `UnboundValidator fulfils the contract of validating resolvers`() async {
            #expect(await ValidatingResolverContract(validator).violations() == [])
        }

        @Test func `signed records of any type are secure`() async throws {
            let exchanges = try await validator.ask("secure.test", type: .mx)
            #expect(exchanges.isSecure)
            #expect(
                exchanges.records == [[0, 10] + wire("mx1.secure.test"), [0, 20] + wire("mx2.secure.test")])
            let four = try await validator.ask("mx1.secure.test", type: .a)
            #expect(
                four.isSecure && four.answer.content == .records([[192, 0, 2, 1]]) && four.answer.timeToLive == 120)
            let six = try await validator.ask("mx1.secure.test", type: .aaaa)
            #expect(
                six.isSecure
                    && six.answer.content == .records([[0x20, 1, 0xd, 0xb8] + .init(repeating: 0, count: 11) + [1]]))
            let keys = try await validator.ask("_25._tcp.mx1.secure.test", type: .tlsa)
            #expect(keys.isSecure && keys.answer.timeToLive == 90)
            #expect(keys.answer.content == .records([[3, 1, 1] + [UInt8](repeating: 13, count: 32)]))
        }

        @Test func `the null MX comes as it is`() async throws {
            let answer = try await validator.ask("null.secure.test", type: .mx)
            #expect(answer.isSecure && answer.answer.content == .records([[0, 0, 0]]))
        }

        @Test func `a wildcard's answer is secure`() async throws {
            #expect(try await validator.ask("any.wild.secure.test").isSecure)
        }

        @Test func `DANE-2.1.1-b an unsigned name is insecure, not a failure`() async throws {
            let exchanges = try await validator.ask("insecure.test", type: .mx)
            #expect(!exchanges.isSecure && exchanges.answer.content == .records([[0, 10] + wire("mx.insecure.test")]))
            let nowhere = try await validator.ask("nowhere.insecure.test", type: .mx)
            #expect(!nowhere.isSecure && nowhere.answer.content == .nameError && nowhere.answer.timeToLive == 77)
            let none = try await validator.ask("insecure.test", type: .aaaa)
            #expect(!none.isSecure && none.answer.content == .noData)
        }

        @Test func `an unsigned zone below a signed one is insecure`() async throws {
            #expect(try await !validator.ask("there.unsigned.secure.test").isSecure)
        }

        @Test(arguments: ["secure.test", "three.test"])
        func `denials are secure by NSEC and by NSEC3, with the SOA's negative TTL`(zone: String) async throws {
            let nowhere = try await validator.ask("nowhere.\(zone)", type: .tlsa)
            #expect(nowhere.isSecure && nowhere.answer.content == .nameError && nowhere.answer.timeToLive == 77)
            let none = try await validator.ask("there.\(zone)", type: .tlsa)
            #expect(none.isSecure && none.answer.content == .noData && none.answer.timeToLive == 77)
        }

        @Test func `DANE-2.1.1-c bogus is a failure with libunbound's reason, never an answer`() async throws {
            for (name, type) in [("bogus.test", .mx), ("nowhere.bogus.test", .a)] as [(String, RecordType)] {
                let failure = try #require(await knot.validator().failure(name, type: type))
                guard case .bogus(let why) = failure.cause else {
                    throw KnotServer.StartError(description: "\(failure)")
                }
                #expect(why.contains("no keys have a DS"))
                #expect("\(failure)" == "\(name) \(type): bogus: \(why) (servers 127.0.0.1@\(knot.port))")
            }
        }

        @Test func `DANE-2.1.3-a aliases are as secure as their least secure link`() async throws {
            let away = try await validator.ask("away.secure.test")
            #expect(!away.isSecure && away.canonicalName == "there.insecure.test" && away.answer.aliases == 1)
            let back = try await validator.ask("back.secure.test")
            #expect(!back.isSecure && back.canonicalName == "there.secure.test" && back.answer.aliases == 2)
            let within = try await validator.ask("alias.three.test")
            #expect(within.isSecure && within.canonicalName == "there.secure.test")
            let beyond = try await validator.ask("beyond.secure.test")
            #expect(
                beyond.isSecure && beyond.answer.content == .nameError && beyond.canonicalName == "nowhere.three.test")
        }

        @Test func `DANE-2.1.3-b the first link alone has its own security`() async throws {
            let away = try await validator.ask("away.secure.test", type: .cname)
            #expect(away.isSecure && away.answer.content == .records([wire("there.insecure.test")]))
            #expect(away.answer.aliases == 0)
            #expect(try await !validator.ask("back.insecure.test", type: .cname).isSecure)
            // Errors of the other links do not affect it.
            #expect(try await validator.ask("broken.secure.test", type: .cname).isSecure)
            #expect(try await validator.ask("loop.secure.test", type: .cname).isSecure)
            let none = try await validator.ask("there.secure.test", type: .cname)
            #expect(none.isSecure && none.answer.content == .noData)
        }

        @Test func `DANE-2.1.3-c an alias to what is bogus is bogus, a loop is a failure`() async {
            #expect(await validator.bogusReason("broken.secure.test") != nil)
            #expect(await validator.failure("loop.secure.test")?.cause == .aliasChainTooLong)
        }

        @Test(arguments: ["a..test", "", "a\\.b.test"])
        func `a name that cannot be encoded fails at once`(name: String) async {
            #expect(
                await validator.failure(name)?.cause == .resolver("\"\(name)\" cannot be encoded as a DNS name"))
        }

        @Test func `a large signed answer comes by TCP, complete and secure`() async throws {
            let stub = try StubServer.forwarder(to: knot.port)
            let answer = try await knot.validator(port: stub.port).ask("big.secure.test")
            #expect(answer.isSecure && answer.records.map(\.count).reduce(0, +) == 40 * 1_004)
            #expect(stub.queries.filter { $0.name == "big.secure.test" }.map(\.overTCP) == [false, true])
        }

        @Test func `1,000 mail exchangers come complete and secure`() async throws {
            let answer = try await validator.ask("many.secure.test", type: .mx)
            #expect(answer.isSecure && answer.records.count == 1_000)
        }

        @Test func `the plain resolver works as before`() async throws {
            let plain = try resolver(ports: knot.port)
            #expect(try await plain.txt("there.bogus.test").content == .records([rdata("here")]))
            #expect(try await plain.txt("long.insecure.test").timeToLive == 1_000_000)
            #expect(try await validator.ask("long.insecure.test").answer.timeToLive == 1_000_000)
        }

        @Test func `closing ends later questions, and forgetKeys does not open it again`() async throws {
            validator.close()
            #expect(await validator.failure("there.secure.test")?.cause == .cancelled)
            try validator.forgetKeys()
            #expect(await validator.failure("there.secure.test")?.cause == .cancelled)
            validator.close()
        }

        @Test func `a reason is one line of bounded length`() {
            #expect(UnboundQuery.logReason(bogus: "a\nb\u{1B}[2J") == #"a\x0Ab\x1B[2J"#)
            #expect(UnboundQuery.logReason(bogus: "x".repeated(10_000)).utf8.count == 603)
        }
    }
}

extension ValidatedAnswer {
    /// In no order: servers and libunbound turn them round.
    fileprivate var records: Set<[UInt8]> {
        guard case .records(let records) = answer.content else { return [] }
        return Set(records)
    }
}

/// A name as it stands in RDATA.
func wire(_ name: String) -> [UInt8] {
    name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
}
