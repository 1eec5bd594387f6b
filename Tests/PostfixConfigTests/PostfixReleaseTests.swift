import PostfixConfig
import PostfixTable
import Testing

@Suite struct PostfixReleaseTests {
    @Test(arguments: [
        ("2.11.3", PostfixRelease(major: 2, minor: 11), Dialect.legacy), ("3.3.22", .init(major: 3, minor: 3), .legacy),
        ("3.4.0", .init(major: 3, minor: 4), .classic), ("3.7.11", .init(major: 3, minor: 7), .classic),
        ("3.9.1", .init(major: 3, minor: 9), .classic), ("3.10.0", .init(major: 3, minor: 10), .sts),
        ("3.10.0-RC1", .init(major: 3, minor: 10), .sts), ("3.10", .init(major: 3, minor: 10), .sts),
        ("3.11-20250101", .init(major: 3, minor: 11, isSnapshot: true), .sts),
        ("3.12-20260101-nonprod", .init(major: 3, minor: 12, isSnapshot: true), .sts),
        ("4.0.0", .init(major: 4, minor: 0), .sts), ("4.0-20270101", .init(major: 4, minor: 0, isSnapshot: true), .sts),
        // It may be older than policy_type.
        ("3.10-20240901", .init(major: 3, minor: 10, isSnapshot: true), .classic),
        ("3.4-20180401", .init(major: 3, minor: 4, isSnapshot: true), .legacy),
    ])
    func `a version is parsed, and gets no attribute that it might not know`(
        text: String, release: PostfixRelease, dialect: Dialect
    ) {
        #expect(PostfixRelease(text) == release)
        #expect(Dialect(for: release) == dialect)
    }

    @Test(arguments: [
        "", "3", "3.", ".7", "3.x", "3.7.", "3.7.x", "3.7.1.2", "v3.7", "3.7-", "-3.7", "3. 7", "1000.1", "3.7\n",
    ])
    func `other text is no version`(text: String) {
        #expect(PostfixRelease(text) == nil)
    }

    @Test func `a Postfix understands its own dialect and older ones`() {
        let order = [Dialect.legacy, .classic, .sts]
        for (older, dialect) in order.enumerated() {
            for (newer, other) in order.enumerated() { #expect(dialect.isUnderstood(where: other) == (older <= newer)) }
        }
    }
}
