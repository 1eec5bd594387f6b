import Discovery
import Testing
import TestSupport

@Suite struct ScriptedResolverTests {
    @Test func `the twin keeps the resolver's contract`() async {
        let resolver = ScriptedResolver()
        resolver.script(text: ["here"], at: "there.contract.test")
        resolver.script(text: ["here"], at: "alias.contract.test")
        resolver.script("there.contract.test", .a, .success(.noData))
        resolver.script("loop.contract.test", .txt, .failure(.aliasChainTooLong))
        #expect(await ResolverContract(resolver).violations() == [])
    }
}
