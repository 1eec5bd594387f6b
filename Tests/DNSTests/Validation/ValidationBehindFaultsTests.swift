import Discovery
import Testing
import TestSupport

@testable import UnboundDNS

/// Validation of real signed zones through a server that delays and loses datagrams.
extension SignedZoneTests {
    @Suite(.timeLimit(.minutes(5)))
    struct ValidationBehindFaultsTests {
        let knot: KnotServer

        init() throws {
            knot = try SignedZones.knot()
        }

        /// Each query takes 0.1 s, and 20 % of datagrams are lost in each direction.
        private func server() throws -> FaultyDNSServer {
            try FaultyDNSServer(loss: DNSLoss(0.2)) { [port = knot.port] query in
                guard let response = query.forwarded(to: port) else { return .noAnswer }
                return DNSBehavior(.message(response)).delayed(by: .milliseconds(100))
            }
        }

        @Test func `secure, insecure and bogus answers stay what they are`() async throws {
            let server = try server()
            let validator = try knot.validator(port: server.port)
            async let secure = validator.ask("secure.test", type: .mx)
            async let denied = validator.ask("nowhere.three.test")
            async let insecure = validator.ask("there.insecure.test")
            async let bogus = validator.bogusReason("there.bogus.test")
            let signed = try await secure
            #expect(signed.isSecure)
            let nowhere = try await denied
            #expect(nowhere.isSecure && nowhere.answer.content == .nameError)
            let unsigned = try await insecure
            #expect(!unsigned.isSecure)
            #expect(await bogus?.contains("no keys have a DS") == true)
            #expect(server.queries.contains { $0.wasLost })
        }

        @Test func `keys that come after 1.5 s make answers secure`() async throws {
            let server = try FaultyDNSServer { [port = knot.port] query in
                guard let response = query.forwarded(to: port) else { return .noAnswer }
                let isKey = query.type == 48 && query.name == "secure.test"
                return DNSBehavior(.message(response)).delayed(by: isKey ? .milliseconds(1_500) : .zero)
            }
            let validator = try knot.validator(port: server.port)
            #expect(try await validator.ask("secure.test", type: .mx).isSecure)
            #expect(try await !validator.ask("there.insecure.test").isSecure)
        }
    }
}
