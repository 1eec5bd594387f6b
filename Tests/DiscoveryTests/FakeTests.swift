import Discovery
import Testing
import TestSupport

@Suite struct FakeTests {
    @Test func `ScriptedResolver fulfils the contract of resolvers`() async {
        let resolver = ScriptedResolver()
        resolver.script(text: ["here"], at: "there.contract.test")
        resolver.script(text: ["here"], at: "alias.contract.test")
        resolver.script("there.contract.test", type: .a, reply: .success(.noData))
        resolver.script("loop.contract.test", type: .txt, reply: .failure(.aliasChainTooLong))
        #expect(await ResolverContract(resolver).violations() == [])
    }

    @Test func `ScriptedFetcher fulfils the contract of fetchers`() async throws {
        let fetcher = ScriptedFetcher()
        fetcher.script("identity.site.test", reply: .success("plain"))
        fetcher.script("status-404.site.test", reply: .failure(.http(.status(404))))
        #expect(await FetcherContract(fetcher, at: try address("192.0.2.1")).violations() == [])
    }
}
