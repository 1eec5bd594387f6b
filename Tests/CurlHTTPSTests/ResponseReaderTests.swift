import Discovery
import Testing

@testable import CurlHTTPS

struct ResponseReaderTests {
    /// Reads header lines (the blank one is added) and a body in one piece.
    private func read(
        _ lines: [String], body: String = "", limit: Int = 10, isHTTP2: Bool = false
    ) -> ResponseReader {
        var reader = ResponseReader(maximumBody: limit)
        for line in lines + [""] {
            guard reader.take(headerLine: Array("\(line)\r\n".utf8), isHTTP2: isHTTP2) else { return reader }
        }
        _ = reader.take(body: Array(body.utf8))
        return reader
    }

    @Test(arguments: ["HTTP/1.1 200 OK", "HTTP/1.0 200", "HTTP/2 200 "])
    func `STS-3.3-f: status 200 with its body`(_ line: String) {
        let fields = ["Content-Type: text/plain ", "Date: today"]
        let reader = read([line] + fields, body: "policy", isHTTP2: line.hasPrefix("HTTP/2"))
        #expect(reader.refusal == nil)
        #expect(reader.isComplete)
        #expect(reader.body == Array("policy".utf8))
        #expect(reader.contentTypes == ["text/plain"])
    }

    @Test(arguments: [100, 103])
    func `an interim response is passed over`(_ status: Int) {
        let reader = read(["HTTP/1.1 \(status) Wait", "Content-Encoding: gzip", "", "HTTP/1.1 200 OK", "X: y"])
        #expect(reader.isComplete)
    }

    @Test(arguments: [101, 201, 204, 206, 304, 404, 500, 999])
    func `STS-3.3-f: another status is refused at the end of its fields`(_ status: Int) {
        #expect(read(["HTTP/1.1 \(status) Whatever"]).refusal == .http(.status(status)))
    }

    @Test(arguments: [
        "", "ICY 200 OK", "HTTP/1.1", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 2x0", "HTTP/1.1 -20", "HTTP/1.1 200OK",
        "HTTP/1.1\t404 200", "HTTP/1.1  200", " HTTP/1.1 200", "http/1.1 200 OK", "HTTP/1.2 200", "HTTP/2.0 200",
        "HTTP/3 200",
    ])
    func `a line that is no status line breaks the connection`(_ line: String) {
        #expect(read([line]).refusal == .transport(.broken("no HTTP status line")))
    }

    @Test(arguments: [
        ["Content-Encoding: gzip"], ["content-encoding:br"], ["CONTENT-ENCODING: identity, gzip"],
        ["Content-Encoding: identity", "Content-Encoding: deflate"], ["Content-Encoding:", " gzip"],
        ["Transfer-Encoding: gzip, chunked"],
    ])
    func `STS-3.3-l, pitfall 31: encoded bodies are refused`(_ lines: [String]) {
        #expect(read(["HTTP/1.1 200 OK"] + lines).refusal == .http(.contentCoding))
    }

    @Test(arguments: ["Content-Encoding: identity", "Content-Encoding:", "Transfer-Encoding: chunked"])
    func `bodies as they are, are taken`(_ line: String) {
        #expect(read(["HTTP/1.1 200 OK", line]).isComplete)
    }

    @Test func `STS-3.3-l: the protocol is the one that ALPN chose, whatever the status line says`() {
        let reason = FetchFailure.transport(.broken("the status line names another HTTP version than ALPN"))
        #expect(read(["HTTP/2 200"]).refusal == reason)
        #expect(read(["HTTP/1.1 200 OK"], isHTTP2: true).refusal == reason)
        #expect(read(["HTTP/1.1 103 Wait", "", "HTTP/2 200"]).refusal == reason)
    }

    @Test func `a line that libcurl may end elsewhere breaks the connection`() {
        for line in ["X: y\rTransfer-Encoding: chunked", "X: y\0z", "\rX: y", "X: y\r"] {
            let refusal = read(["HTTP/1.1 200 OK", line]).refusal
            #expect(refusal == .transport(.broken("CR or NUL within a header line")), "\(line.debugDescription)")
        }
        for lines in [["no colon"], [" Transfer-Encoding: chunked"], ["\t"]] {
            let refusal = read(["HTTP/1.1 200 OK"] + lines).refusal
            #expect(refusal == .transport(.broken("a header line that is no field")), "\(lines)")
        }
    }

    @Test func `a folded line of blanks does not end the fields`() {
        #expect(read(["HTTP/1.1 200 OK", "X: y", " ", "Content-Encoding: gzip"]).refusal == .http(.contentCoding))
    }

    @Test func `pitfall 29: a Content-Type may be missing, and several stay visible`() {
        #expect(read(["HTTP/1.1 200 OK"]).contentTypes.isEmpty)
        let several = read(["HTTP/1.1 200 OK", "Content-Type: text/plain", "content-type: text/html"])
        #expect(several.contentTypes == ["text/plain", "text/html"])
    }

    @Test func `STS-3.3-k: the limit is for the sum of the pieces`() {
        var reader = read(["HTTP/1.1 200 OK"], body: "12345")
        let isTaken = reader.take(body: Array("67890".utf8))
        #expect(isTaken && reader.body.count == 10)
        let isOneMoreTaken = reader.take(body: [0])
        #expect(!isOneMoreTaken)
        #expect(reader.refusal == .http(.tooLarge(limit: 10)))
        #expect(reader.body.isEmpty && !reader.isComplete)
        let isAnythingTaken = reader.take(body: []) || reader.take(headerLine: [], isHTTP2: false)
        #expect(!isAnythingTaken)
    }

    @Test func `a header without end is refused, in one response, in interim ones, in trailers`() {
        func take(_ line: String, _ reader: inout ResponseReader) -> Bool {
            reader.take(headerLine: Array("\(line)\r\n".utf8), isHTTP2: false)
        }
        for (first, line) in [("HTTP/1.1 200 OK", "A: b"), ("HTTP/1.1 200 OK\r\n\r\n", "A: b")] {
            var reader = ResponseReader(maximumBody: 10)
            var taken = 0
            for part in first.split(separator: "\r\n", omittingEmptySubsequences: false).prefix(2) {
                _ = take(String(part), &reader)
            }
            while taken < 100_000, take(line, &reader) { taken += 1 }
            #expect(reader.refusal == .transport(.broken("endless header")))
        }
        var reader = ResponseReader(maximumBody: 10)
        var taken = 0
        while taken < 100_000, take("HTTP/1.1 100 Continue", &reader), take("", &reader) { taken += 1 }
        #expect(reader.refusal == .transport(.broken("endless header")))
    }
}
