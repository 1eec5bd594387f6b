import Discovery
import Testing
import TestSupport
import DNSClient
import UnboundDNS

@Suite(.timeLimit(.minutes(5))) struct StubResolverContractTests {
    @Test func `the real one keeps the resolver's contract`() async throws {
        let knot = try KnotServer(zones: [
            "contract.test": """
            \(StubResolverTests.soa)
            there 300 TXT "here"
            alias 300 CNAME there
            loop 300 CNAME loop

            """
        ])
        #expect(await ResolverContract(try resolver(ports: knot.port)).violations() == [])
    }
}
