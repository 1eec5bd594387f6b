import Discovery
import Testing
import TestSupport

@Suite struct TwinTests {
    @Test func `the resolver's twin keeps the resolver's contract`() async {
        let resolver = ScriptedResolver()
        resolver.script(text: ["here"], at: "there.contract.test")
        resolver.script(text: ["here"], at: "alias.contract.test")
        resolver.script("there.contract.test", .a, .success(.noData))
        resolver.script("loop.contract.test", .txt, .failure(.aliasChainTooLong))
        #expect(await ResolverContract(resolver).violations() == [])
    }

    @Test func `the fetcher's twin keeps the fetcher's contract`() async throws {
        let fetcher = ScriptedFetcher()
        fetcher.script("identity.lab.test", .success("plain"))
        fetcher.script("status-404.lab.test", .failure(.http(.status(404))))
        #expect(await FetcherContract(fetcher, at: try address("192.0.2.1")).violations() == [])
    }
}
