import PostfixTable
import Testing

@Suite struct DialectTests {
    @Test(arguments: [
        ("classic", Dialect.classic), ("postfix", .classic), ("QUERY", .classic), ("sts", .sts),
        ("QUERYwithTLSRPT", .sts), ("legacy", .legacy),
    ])
    func `map names choose the dialect`(name: String, dialect: Dialect) {
        #expect(Dialect(mapName: Array(name.utf8)) == dialect)
    }

    @Test(arguments: [
        "", "Postfix", "query", "QUERYX", "legacy ", "\u{0}", "STS", "QUERYwithTLSRPT ", "QUERYwithtlsrpt", "st",
        "stss",
    ])
    func `other map names choose none`(name: String) {
        #expect(Dialect(mapName: Array(name.utf8)) == nil)
    }
}
