import Discovery
import Testing

@testable import DNSClient
@testable import UnboundDNS

extension SignedZoneTests {
    @Suite(.timeLimit(.minutes(1)))
    struct DNSSECProbeTests {
        private static let signed = DNSQuestion(name: "secure.test", type: .mx)
        private static let bogus = DNSQuestion(name: "bogus.test", type: .mx)

        private func standing(_ validator: UnboundValidator) async -> DNSSECStanding {
            await DNSSECProbe(validator, signed: Self.signed, bogus: Self.bogus).probe()
        }

        @Test func `servers that hand signatures through work`() async throws {
            let knot = try SignedZones.knot()
            #expect(await standing(try knot.validator()) == .works(doubt: nil))
        }

        @Test func `a server that takes DO away strips`() async throws {
            let knot = try SignedZones.knot()
            let stub = try StubServer.strippingForwarder(to: knot.port)
            guard case .stripped(let reason) = await standing(try knot.validator(port: stub.port))
            else { throw KnotServer.Failed(description: "not stripped") }
            #expect(reason.hasPrefix("secure.test MX: bogus: "))
            #expect(reason.contains("no signatures") && reason.contains("127.0.0.1@\(stub.port)"))
        }

        @Test func `the same names unsigned are stripped`() async throws {
            let anchors = try SignedZones.knot().anchors
            let plain = try SignedZones.knot(signed: false)
            let validator = try UnboundValidator(
                transport(ports: [plain.port]), anchors: anchors)
            guard case .stripped = await standing(validator) else {
                throw KnotServer.Failed(description: "not stripped")
            }
        }

        @Test func `silent servers are unreachable, and so are those that only fail`() async throws {
            let knot = try SignedZones.knot()
            let silent = try StubServer { _ in .silence }
            #expect(
                await standing(try knot.validator(port: silent.port, timeout: .milliseconds(300)))
                    == .unreachable(
                        reason: "secure.test MX: no answer within 0.3 s (servers 127.0.0.1@\(silent.port))"))
            let failing = try StubServer { .answer($0.response(code: 2)) }
            #expect(
                await standing(try knot.validator(port: failing.port))
                    == .unreachable(reason: "secure.test MX: SERVFAIL (servers 127.0.0.1@\(failing.port))"))
        }

        @Test func `another root's key is not taken for working`() async throws {
            let knot = try SignedZones.knot()
            let validator = try UnboundValidator(
                transport(ports: [knot.port]),
                anchors: try SignedZones.knot().anchors)
            guard case .stripped(let reason) = await standing(validator)
            else { throw KnotServer.Failed(description: "not stripped") }
            #expect(reason.contains("trust anchor"))
        }

        // MARK: The decision

        private static func success(_ question: DNSQuestion, secure: Bool) -> DNSSECProbe.Finding {
            .success(
                ValidatedAnswer(DNSAnswer(question: question, content: .noData, timeToLive: 1), isSecure: secure))
        }

        private static func failure(_ question: DNSQuestion, _ cause: DNSFailure.Cause) -> DNSSECProbe.Finding {
            .failure(DNSFailure(question: question, cause: cause, servers: ["192.0.2.53"]))
        }

        private static func findings(_ question: DNSQuestion) -> [DNSSECProbe.Finding] {
            [
                success(question, secure: true), success(question, secure: false), failure(question, .bogus("why")),
                failure(question, .responseCode(2)), failure(question, .timedOut(after: .seconds(5))),
                failure(question, .cancelled), failure(question, .malformedAnswer("x")),
            ]
        }

        @Test func `the signed name decides, whatever the bogus one says`() {
            let insecure = "secure.test MX was answered as insecure, though it is signed"
            let stripped = "secure.test MX: bogus: why (servers 192.0.2.53)"
            for bogus in Self.findings(Self.bogus) {
                let standings = Self.findings(Self.signed).dropFirst().map {
                    DNSSECProbe.standing(signed: $0, bogus: bogus)
                }
                #expect(standings[..<2] == [.stripped(reason: insecure), .stripped(reason: stripped)])
                for (standing, why) in zip(
                    standings[2...], ["SERVFAIL", "no answer within 5 s", "cancelled", "malformed answer: x"])
                {
                    #expect(standing == .unreachable(reason: "secure.test MX: \(why) (servers 192.0.2.53)"))
                }
            }
        }

        @Test func `a bogus name that is answered as insecure casts doubt, nothing else does`() {
            let standings = Self.findings(Self.bogus).map {
                DNSSECProbe.standing(signed: Self.success(Self.signed, secure: true), bogus: $0)
            }
            var expected = [DNSSECStanding](repeating: .works(doubt: nil), count: standings.count)
            expected[1] = .works(
                doubt: "bogus.test MX was answered as insecure, though its signatures are known to be wrong")
            #expect(standings == expected)
        }
    }
}
