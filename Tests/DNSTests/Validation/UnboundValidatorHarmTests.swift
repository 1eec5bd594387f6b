import Discovery
import Testing

@testable import DNSClient
@testable import UnboundDNS

/// Servers that fail or lie between a signed zone and us: nothing they do makes a signed answer insecure.
extension SignedZoneTests {
    @Suite(.timeLimit(.minutes(5)))
    struct UnboundValidatorHarmTests {
        let knot: KnotServer

        init() throws { knot = try SignedZones.knot() }

        private func validator(
            harm: @escaping @Sendable (StubServer.Query, [UInt8]) -> [UInt8]?
        ) throws -> (UnboundValidator, StubServer) {
            let stub = try StubServer.forwarder(to: knot.port, harm: harm)
            return (try knot.validator(port: stub.port), stub)
        }

        @Test func `an answer changed on its way is bogus`() async throws {
            let (validator, stub) = try validator { _, response in
                guard let place = response.firstRange(of: [192, 0, 2, 1]) else { return response }
                return response[..<place.lowerBound] + [192, 0, 2, 66] + response[place.upperBound...]
            }
            defer { stub.stop() }
            #expect(
                await validator.bogusReason("mx1.secure.test", type: .a)?.contains("signature verification failed")
                    == true)
            #expect(try await validator.ask("mx1.secure.test", type: .aaaa).isSecure)
        }

        @Test func `an answer without its signatures is bogus`() async throws {
            let stub = try StubServer { [knot] query in
                let response =
                    query.name == "secure.test" && query.type == RecordType.mx.rawValue
                    ? query.forwardedWithoutEDNS(to: knot.port) : query.forwarded(to: knot.port)
                return response.map { .answer($0) } ?? .noAnswer
            }
            let validator = try knot.validator(port: stub.port)
            #expect(await validator.bogusReason("secure.test", type: .mx)?.contains("no signatures") == true)
            #expect(try await validator.ask("secure.test").isSecure)
        }

        @Test func `a signed zone whose DS records are denied without proof is bogus`() async throws {
            let (validator, stub) = try validator { query, response in
                query.type == 43 && query.name == "secure.test" ? query.response() : response
            }
            defer { stub.stop() }
            #expect(await validator.bogusReason("there.secure.test") != nil)
        }

        @Test func `DANE-2.1.1-a a server's AD bit makes nothing secure`() async throws {
            let (validator, stub) = try validator { _, response in
                var response = response
                response[3] |= 0x20
                return response
            }
            defer { stub.stop() }
            #expect(try await !validator.ask("there.insecure.test").isSecure)
            #expect(await validator.bogusReason("there.bogus.test") != nil)
            #expect(try await validator.ask("there.secure.test").isSecure)
        }

        @Test func `DANE-2.1.2-c SERVFAIL for TLSA is a failure with its code, and hurts nothing else`() async throws {
            let (validator, stub) = try validator { query, response in
                query.type == RecordType.tlsa.rawValue ? query.response(code: 2) : response
            }
            #expect(try await validator.ask("mx1.secure.test", type: .a).isSecure)
            let failure = await validator.failure("_25._tcp.mx1.secure.test", type: .tlsa)
            #expect(
                failure.map { "\($0)" } == "_25._tcp.mx1.secure.test TLSA: SERVFAIL (servers 127.0.0.1@\(stub.port))")
            #expect(try await validator.ask("mx1.secure.test", type: .aaaa).isSecure)
        }

        @Test func `a silent server is a time-out, over in the time that was set`() async throws {
            let stub = try StubServer { _ in .noAnswer }
            let validator = try knot.validator(port: stub.port, timeout: .milliseconds(300))
            #expect(await validator.failure("there.secure.test")?.cause == .timedOut(after: .milliseconds(300)))
        }

        @Test func `the time holds for answer and keys together`() async throws {
            let (_, stub) = try validator { query, response in query.type == 48 ? nil : response }
            let validator = try knot.validator(port: stub.port, timeout: .milliseconds(300))
            #expect(await validator.failure("there.secure.test")?.cause == .timedOut(after: .milliseconds(300)))
        }

        @Test func `cancelling one question leaves the others`() async throws {
            let stub = try StubServer { [knot] query in
                guard let response = query.forwarded(to: knot.port) else { return .noAnswer }
                return query.name.hasSuffix("secure.test") ? .hold(response) : .answer(response)
            }
            let validator = try knot.validator(port: stub.port)
            let given = Task { await validator.failure("mx1.secure.test", type: .a) }
            let waiting = Task { try await validator.ask("there.secure.test") }
            await stub.received(names: 2)
            given.cancel()
            #expect(await given.value?.cause == .cancelled)
            stub.release()
            #expect(try await waiting.value.isSecure)
        }

        @Test(arguments: [43, 48] as [UInt16])
        func `keys that are not available are a failure, and forgotten on demand`(type: UInt16) async throws {
            let repaired = Flag()
            let (validator, stub) = try validator { query, response in
                query.type == type && !repaired.isSet ? query.response(code: 2) : response
            }
            #expect(await validator.bogusReason("there.secure.test") != nil)
            // Bounded: three times five tries for the first key, its answer and the keys above.
            #expect(stub.queries.count <= 20)
            repaired.set()
            try validator.forgetKeys()
            #expect(try await validator.ask("there.secure.test").isSecure)
        }

        // MARK: Cached answers

        @Test func `a zone's keys are asked for once, its answers each time`() async throws {
            let (validator, stub) = try validator { _, response in response }
            for _ in 0..<2 { #expect(try await validator.ask("there.secure.test").isSecure) }
            #expect(try await validator.ask("mx1.secure.test", type: .a).isSecure)
            #expect(
                stub.asked == [
                    "there.secure.test 16", ". 48", "test 43", "secure.test 43", "secure.test 48",
                    "there.secure.test 16",
                    "mx1.secure.test 1",
                ])
        }

        @Test func `that a zone has no keys is asked for once, too`() async throws {
            let (validator, stub) = try validator { _, response in response }
            for _ in 0..<2 { #expect(try await !validator.ask("there.insecure.test").isSecure) }
            #expect(
                stub.asked == [
                    "there.insecure.test 16", ". 48", "test 43", "insecure.test 43", "there.insecure.test 16",
                ])
        }

        @Test func `a change is seen by the next question, and by the next denial`() async throws {
            let validator = try knot.validator()
            #expect(try await validator.ask("there.secure.test").answer.content == .records([rdata("here")]))
            #expect(try await validator.ask("new.secure.test").answer.content == .nameError)
            try knot.replace("secure.test", with: SignedZones.soa(2) + "there 300 TXT now\nnew 300 TXT new\n")
            let there = try await validator.ask("there.secure.test")
            #expect(there.isSecure && there.answer.content == .records([rdata("now")]))
            let new = try await validator.ask("new.secure.test")
            #expect(new.isSecure && new.answer.content == .records([rdata("new")]))
        }

        @Test func `keys outlive a change above for their TTL at most, and not at all where they are forgotten`()
            async throws
        {
            let validator = try knot.validator()
            #expect(try await validator.ask("there.secure.test").isSecure)
            let unsigned = SignedZones.root.replacing("@DS secure.test\n", with: "").replacing(
                "root 1 ", with: "root 2 ")
            try knot.replace(".", with: unsigned)
            #expect(try await validator.ask("there.secure.test").isSecure)
            try validator.forgetKeys()
            #expect(try await !validator.ask("there.secure.test").isSecure)
        }
    }
}
