import DNSClient
import Testing

@testable import UnboundDNS

@Suite struct UnboundSetupFailureTests {
    @Test func `a missing descriptor says nothing about the configuration or the library`() {
        #expect(UnboundSetupFailure.library(step: "descriptors", reason: "Too many open files").isTemporary)
        #expect(UnboundSetupFailure.transport(.system("Too many open files")).isTemporary)
        let lasting: [UnboundSetupFailure] = [
            .library(step: "configuration", reason: "syntax error"), .transport(.noServers),
            .trustAnchor(TrustAnchorFailure(path: "/none", cause: .empty)),
        ]
        #expect(lasting.allSatisfy { !$0.isTemporary })
    }
}
