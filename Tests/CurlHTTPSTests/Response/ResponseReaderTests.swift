import Discovery
import Testing

@testable import CurlHTTPS

struct ResponseReaderTests {
    /// Reads header lines, an added blank line, and a body in one piece.
    private func read(
        _ lines: [String], body: String = "", limit: Int = 10, isHTTP2: Bool = false
    ) -> ResponseReader {
        var reader = ResponseReader(maximumBody: limit)
        for line in lines + [""] {
            guard reader.receive(headerLine: Array("\(line)\r\n".utf8), isHTTP2: isHTTP2) else { return reader }
        }
        _ = reader.receive(body: Array(body.utf8))
        return reader
    }

    @Test(arguments: ["HTTP/1.1 200 OK", "HTTP/1.0 200", "HTTP/2 200 "])
    func `STS-3.3-f: status 200 with its body`(line: String) {
        let fields = ["Content-Type: text/plain ", "Date: today"]
        let reader = read([line] + fields, body: "policy", isHTTP2: line.hasPrefix("HTTP/2"))
        #expect(reader.error == nil)
        #expect(reader.hasCompleteHeader)
        #expect(reader.body == Array("policy".utf8))
        #expect(reader.contentTypes == ["text/plain"])
    }

    @Test(arguments: [100, 103])
    func `an interim response is ignored`(status: Int) {
        let reader = read(["HTTP/1.1 \(status) Wait", "Content-Encoding: gzip", "", "HTTP/1.1 200 OK", "X: y"])
        #expect(reader.hasCompleteHeader)
    }

    @Test(arguments: [101, 201, 204, 206, 304, 404, 500, 999])
    func `STS-3.3-f: another status is refused at the end of its fields`(status: Int) {
        #expect(read(["HTTP/1.1 \(status) Whatever"]).error == .http(.status(status)))
    }

    @Test(arguments: [
        "", "ICY 200 OK", "HTTP/1.1", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 2x0", "HTTP/1.1 -20", "HTTP/1.1 200OK",
        "HTTP/1.1\t404 200", "HTTP/1.1  200", " HTTP/1.1 200", "http/1.1 200 OK", "HTTP/1.2 200", "HTTP/2.0 200",
        "HTTP/3 200",
    ])
    func `a malformed status line breaks the connection`(line: String) {
        #expect(read([line]).error == .transport(.broken("no HTTP status line")))
    }

    @Test(arguments: [
        ["Content-Encoding: gzip"], ["content-encoding:br"], ["CONTENT-ENCODING: identity, gzip"],
        ["Content-Encoding: identity", "Content-Encoding: deflate"], ["Content-Encoding:", " gzip"],
        ["Transfer-Encoding: gzip, chunked"],
    ])
    func `STS-3.3-l, pitfall 31: encoded bodies are refused`(lines: [String]) {
        #expect(read(["HTTP/1.1 200 OK"] + lines).error == .http(.contentCoding))
    }

    @Test(arguments: ["Content-Encoding: identity", "Content-Encoding:", "Transfer-Encoding: chunked"])
    func `bodies without content coding are accepted`(line: String) {
        #expect(read(["HTTP/1.1 200 OK", line]).hasCompleteHeader)
    }

    @Test func `STS-3.3-l: the protocol is the one that ALPN chose, whatever the status line contains`() {
        let reason = FetchError.transport(.broken("HTTP version of the status line differs from ALPN"))
        #expect(read(["HTTP/2 200"]).error == reason)
        #expect(read(["HTTP/1.1 200 OK"], isHTTP2: true).error == reason)
        #expect(read(["HTTP/1.1 103 Wait", "", "HTTP/2 200"]).error == reason)
    }

    @Test func `a line with CR or NUL inside breaks the connection`() {
        for line in ["X: y\rTransfer-Encoding: chunked", "X: y\0z", "\rX: y", "X: y\r"] {
            let readerError = read(["HTTP/1.1 200 OK", line]).error
            #expect(readerError == .transport(.broken("CR or NUL within a header line")), "\(line.debugDescription)")
        }
        for lines in [["no colon"], [" Transfer-Encoding: chunked"], ["\t"]] {
            let readerError = read(["HTTP/1.1 200 OK"] + lines).error
            #expect(readerError == .transport(.broken("malformed header line")), "\(lines)")
        }
    }

    @Test func `a folded line of blanks does not end the fields`() {
        #expect(read(["HTTP/1.1 200 OK", "X: y", " ", "Content-Encoding: gzip"]).error == .http(.contentCoding))
    }

    @Test func `pitfall 29: no Content-Type and several Content-Types are reported`() {
        #expect(read(["HTTP/1.1 200 OK"]).contentTypes.isEmpty)
        let several = read(["HTTP/1.1 200 OK", "Content-Type: text/plain", "content-type: text/html"])
        #expect(several.contentTypes == ["text/plain", "text/html"])
    }

    @Test func `STS-3.3-k: the limit is for the sum of the pieces`() {
        var reader = read(["HTTP/1.1 200 OK"], body: "12345")
        let isTaken = reader.receive(body: Array("67890".utf8))
        #expect(isTaken && reader.body.count == 10)
        let isOneMoreTaken = reader.receive(body: [0])
        #expect(!isOneMoreTaken)
        #expect(reader.error == .http(.tooLarge(limit: 10)))
        #expect(reader.body.isEmpty && !reader.hasCompleteHeader)
        let isAnythingTaken = reader.receive(body: []) || reader.receive(headerLine: [], isHTTP2: false)
        #expect(!isAnythingTaken)
    }

    @Test func `an endless header is refused: of a response, of interim responses, of trailers`() {
        func take(_ line: String, into reader: inout ResponseReader) -> Bool {
            reader.receive(headerLine: Array("\(line)\r\n".utf8), isHTTP2: false)
        }
        for (first, line) in [("HTTP/1.1 200 OK", "A: b"), ("HTTP/1.1 200 OK\r\n\r\n", "A: b")] {
            var reader = ResponseReader(maximumBody: 10)
            var taken = 0
            for part in first.split(separator: "\r\n", omittingEmptySubsequences: false).prefix(2) {
                _ = take(String(part), into: &reader)
            }
            while taken < 100_000, take(line, into: &reader) { taken += 1 }
            #expect(reader.error == .transport(.broken("header too long")))
        }
        var reader = ResponseReader(maximumBody: 10)
        var taken = 0
        while taken < 100_000, take("HTTP/1.1 100 Continue", into: &reader), take("", into: &reader) { taken += 1 }
        #expect(reader.error == .transport(.broken("header too long")))
    }
}
