import DANE
import Discovery
import MTASTS
import TestSupport
import Testing

@testable import DNSClient
@testable import UnboundDNS

extension SignedZoneTests {
    /// The probe through libunbound, over zones that knot signs; between them a server that fails or lies.
    @Suite(.timeLimit(.minutes(5)))
    struct DNSSECProbeTests {
        /// A root and `signed.` with signatures; `org.` has a DS record and no signatures. Of com, nl and se the root
        /// proves that they do not exist.
        private static func world(org: String = "org 300 DS 4711 13 2 \("ab".repeated(32))\n") throws -> KnotServer {
            let delegations = ["signed", "org"].map { "\($0) 300 NS ns.\($0)\nns.\($0) 300 A 127.0.0.1\n" }.joined()
            let signed =
                SignedZones.soa() + "dane 300 MX 10 mx\nmx 300 A 192.0.2.1\n_25._tcp.mx 300 TLSA 3 1 1 "
                + "\("0d".repeated(32))\n"
            return try KnotServer(
                zones: [
                    ".": SignedZones.soa() + delegations + "@DS signed\n" + org, "signed": signed,
                    "org": SignedZones.soa() + "there 300 TXT \"here\"\n",
                ],
                signing: [".": .nsec, "signed": .nsec])
        }

        private static let names: DNSSECProbe.Names = {
            var names = DNSSECProbe.Names.onTheInternet
            names.bogus = DNSQuestion(name: "there.org", type: .txt)
            return names
        }()

        private func status(_ validator: UnboundValidator, names: DNSSECProbe.Names = names) async -> DNSSECStatus {
            let probe = DNSSECProbe(validator, names: names, pause: { .zero })
            return DNSSECStatus(await probe.answers(), lastSecureAnswer: nil, now: .now)
        }

        private func status(_ failed: [DNSSECProbe.Failure]) -> [String] { failed.map { "\($0.question)" } }

        private static let everything = [". NS", ". DNSKEY", "com NS", "nl NS", "org NS", "se NS"]

        // MARK: One zone

        @Test func `one bogus zone is named and changes nothing for the others`() async throws {
            let knot = try Self.world()
            let validator = try knot.validator()
            guard case .works(let failed, warning: nil) = await status(validator)
            else { throw KnotServer.StartError(description: "not working") }
            #expect(status(failed) == ["org NS"])
            #expect(failed.first?.reason.hasPrefix("bogus: ") == true)
            let destination = Destination(domain: try #require(PolicyDomain("dane.signed")))
            let result = await DANEDiscovery(resolver: validator).report(on: destination).result
            #expect(result.coverage(wasSigned: false) == .complete)
        }

        @Test func `all zones below the root bogus are named, and the root alone keeps DANE on`() async throws {
            let knot = try Self.world()
            var names = Self.names
            names.topLevel = ["org", "there.org"].map { DNSQuestion(name: $0, type: .ns) }
            guard case .works(let failed, warning: nil) = await status(try knot.validator(), names: names)
            else { throw KnotServer.StartError(description: "not working") }
            #expect(status(failed) == ["org NS", "there.org NS"])
        }

        @Test func `a delegation without DS is insecure: the bogus name causes a warning only`() async throws {
            let knot = try Self.world(org: "")
            var names = Self.names
            names.topLevel = [DNSQuestion(name: "signed", type: .ns)]
            guard case .works(failed: [], let warning) = await status(try knot.validator(), names: names)
            else { throw KnotServer.StartError(description: "not working") }
            #expect(warning == "there.org TXT had an insecure answer instead of a bogus one")
        }

        // MARK: Stripped, and what is not

        @Test func `a server that takes DO away strips`() async throws {
            let knot = try Self.world()
            let stub = try StubServer.strippingForwarder(to: knot.port)
            guard case .stripped(let failed) = await status(try knot.validator(port: stub.port))
            else { throw KnotServer.StartError(description: "not stripped") }
            #expect(status(failed) == Self.everything)
            #expect(failed.allSatisfy { $0.reason.hasPrefix("bogus: ") })
            #expect(failed.first?.reason.contains("127.0.0.1@\(stub.port)") == true)
        }

        @Test func `another root's key is not taken for working`() async throws {
            let knot = try Self.world()
            let validator = try UnboundValidator(
                transport(ports: [knot.port]),
                anchors: try Self.world().anchors)
            guard case .stripped(let failed) = await status(validator)
            else { throw KnotServer.StartError(description: "not stripped") }
            #expect(failed.first?.reason.contains("trust anchor") == true)
        }

        @Test func `silent servers are unreachable, and so are those that only fail`() async throws {
            let knot = try Self.world()
            let silent = try StubServer { _ in .noAnswer }
            guard
                case .unreachable(let failed) = await status(
                    try knot.validator(port: silent.port, timeout: .milliseconds(300)))
            else { throw KnotServer.StartError(description: "not unreachable") }
            #expect(status(failed) == Self.everything)
            #expect(
                failed.first?.description == ". NS: no answer within 0.3 s (servers 127.0.0.1@\(silent.port))")
            let failing = try StubServer { .answer($0.response(code: 2)) }
            guard case .unreachable(let failed) = await status(try knot.validator(port: failing.port))
            else { throw KnotServer.StartError(description: "not unreachable") }
            #expect(failed.first?.description == ". NS: SERVFAIL (servers 127.0.0.1@\(failing.port))")
        }

        // MARK: An attacker

        @Test func `an attacker who drops the root's key does not strip`() async throws {
            let knot = try Self.world()
            let stub = try StubServer.forwarder(to: knot.port) { query, response in
                query.type == RecordType.dnskey.rawValue && query.name.isEmpty ? nil : response
            }
            guard
                case .unreachable = await status(try knot.validator(port: stub.port, timeout: .seconds(2)))
            else { throw KnotServer.StartError(description: "not unreachable") }
        }

        @Test func `an attacker who makes the root's key fail does not strip`() async throws {
            let knot = try Self.world()
            let stub = try StubServer.forwarder(to: knot.port) { query, response in
                query.type == RecordType.dnskey.rawValue && query.name.isEmpty ? query.response(code: 2) : response
            }
            guard case .unreachable = await status(try knot.validator(port: stub.port))
            else { throw KnotServer.StartError(description: "not unreachable") }
        }

        @Test func `an attacker who forges the root's key once it is known gains nothing by a probe`() async throws {
            let knot = try Self.world()
            let attack = Flag()
            let stub = try StubServer { query in
                let isForged = attack.isSet && query.type == RecordType.dnskey.rawValue && query.name.isEmpty
                let response =
                    isForged ? query.forwardedWithoutEDNS(to: knot.port) : query.forwarded(to: knot.port)
                return response.map { .answer($0) } ?? .noAnswer
            }
            let validator = try knot.validator(port: stub.port)
            #expect(try await validator.ask("mx.signed", type: .a).isSecure)
            attack.set()
            guard case .works(let failed, _) = await status(validator)
            else { throw KnotServer.StartError(description: "not working") }
            #expect(status(failed) == [". DNSKEY", "org NS"])
            #expect(try await validator.ask("mx.signed", type: .a).isSecure)
        }

        @Test func `an attacker who forges the root's key from the start is believed only without a secure answer`()
            async throws
        {
            let knot = try Self.world()
            let stub = try StubServer { query in
                let isForged = query.type == RecordType.dnskey.rawValue && query.name.isEmpty
                let response =
                    isForged ? query.forwardedWithoutEDNS(to: knot.port) : query.forwarded(to: knot.port)
                return response.map { .answer($0) } ?? .noAnswer
            }
            let probe = DNSSECProbe(try knot.validator(port: stub.port), names: Self.names, pause: { .zero })
            let (answers, now) = (await probe.answers(), ContinuousClock.now)
            guard case .stripped = DNSSECStatus(answers, lastSecureAnswer: nil, now: now),
                case .worksElsewhere(let failed) = DNSSECStatus(
                    answers, lastSecureAnswer: now - .seconds(599), now: now)
            else { throw KnotServer.StartError(description: "another status") }
            #expect(status(failed) == Self.everything)
        }

        // MARK: The last secure answer

        @Test func `only a secure answer counts as one`() async throws {
            let knot = try Self.world(org: "")
            let validator = try knot.validator()
            let start = ContinuousClock.now
            #expect(try await !validator.ask("there.org").isSecure)
            #expect(validator.lastSecureAnswer == nil)
            #expect(try await validator.ask("mx.signed", type: .a).isSecure)
            let first = try #require(validator.lastSecureAnswer)
            #expect((start...ContinuousClock.now).contains(first))
            #expect(try await validator.ask("nowhere.signed", type: .a).isSecure)
            #expect(try #require(validator.lastSecureAnswer) > first)
        }
    }
}
