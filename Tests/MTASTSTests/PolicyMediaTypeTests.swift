import MTASTS
import Testing

@Suite struct PolicyMediaTypeTests {
    @Test(arguments: try Corpus.cases("media-types"))
    func `a Content-Type comes to what the corpus says`(row: CorpusCase) {
        let outcome =
            switch PolicyMediaType.check(row.all("type").map { String(decoding: $0, as: UTF8.self) }) {
            case .textPlain: "textPlain"
            case .missing: "missing"
            case .other(let type): "other \(type)"
            }
        #expect(outcome == row.first("is"))
    }

    @Test func `an endless type is cut for the log`() {
        guard case .other(let shown) = PolicyMediaType.check([String(repeating: "\0", count: 10_000)]) else {
            Issue.record("accepted")
            return
        }
        #expect(shown.utf8.count <= 110)
    }
}
