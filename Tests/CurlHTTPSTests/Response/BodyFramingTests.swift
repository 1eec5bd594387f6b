import Discovery
import Testing

@testable import CurlHTTPS

/// How the fields of a response mark the end of its body (RFC 9112 §6.3).
struct BodyFramingTests {
    private func framing(
        _ lines: [String], version: HTTPVersion = .http11
    ) throws -> Result<BodyFraming, FetchError> {
        var fields: [HeaderField] = []
        for line in lines {
            if line.hasPrefix(" ") {
                fields[fields.count - 1].append(folded: line.utf8)
            } else {
                fields.append(try #require(HeaderField(line: line.utf8)))
            }
        }
        return Result { () throws(FetchError) in try BodyFraming(of: fields, in: version) }
    }

    @Test(arguments: [
        (["Transfer-Encoding: chunked"], BodyFraming.framed), (["transfer-encoding:\tCHUNKED "], .framed),
        (["Transfer-Encoding: chunked", "X-Other : y", "X-Folded: a", " b"], .framed),
        (["Content-Length: 10"], .length(10)), (["Content-Length: 0"], .length(0)),
        (["Content-Length: 10", "content-length:10"], .length(10)), (["Content-Length: 10, 10"], .length(10)),
        ([], .connection), (["Transfer-Encoding: identity"], .connection),
        (["Transfer-Encodings: chunked", "Content-Lengths: 1"], .connection),
    ])
    func `framing that RFC 9112 allows is accepted`(lines: [String], expected: BodyFraming) throws {
        #expect(try framing(lines) == .success(expected))
        #expect(try framing(lines, version: .http2) == .success(.framed))
    }

    @Test(arguments: [
        ["Transfer-Encoding : chunked"], ["Transfer-Encoding\t: chunked"], ["Content-Length : 10"],
        ["Transfer-Encoding:", " chunked"], ["Transfer-Encoding: chunked", " "], ["Content-Length:", " 10"],
        ["Content-Length: 1", " 0"], ["Transfer-Encoding: chunked", "Transfer-Encoding : chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding: identity", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: identity, chunked"], ["Transfer-Encoding: chunked, chunked"],
        ["Transfer-Encoding: chunked,"], ["Transfer-Encoding: ,chunked"], ["Transfer-Encoding:"],
        ["Transfer-Encoding: chunked", "Content-Length: 10"], ["Content-Length: 10", "Transfer-Encoding: identity"],
        ["Content-Length: 10", "Content-Length: 11"], ["Content-Length: 10, 11"], ["Content-Length:"],
        ["Content-Length: +10"], ["Content-Length: 0x10"], ["Content-Length: 1 0"], ["Content-Length: -1"],
        ["Content-Length: \u{661}"], ["Content-Length: 99999999999999999999"],
    ])
    func `STS-3.3-l: ambiguous framing is refused`(lines: [String]) throws {
        let framing = try framing(lines)
        guard case .failure(.transport(.broken)) = framing else {
            Issue.record("\(framing)")
            return
        }
    }

    @Test(arguments: [
        "xchunked", "chunked;q=1", "\"chunked\"", "chunked gzip", "gzip, chunked", "gzip", "\u{B}chunked",
        "chun\u{212A}ed",  // KELVIN SIGN, which Unicode folds to k.
    ])
    func `STS-3.3-l: another coding than chunked is refused`(value: String) throws {
        for version in [HTTPVersion.http10, .http11, .http2] {
            let framing = try framing(["Transfer-Encoding: \(value)"], version: version)
            #expect(framing == .failure(.http(.contentCoding)))
        }
    }

    @Test func `Transfer-Encoding in an HTTP/1.0 response is refused`() throws {
        let refused = FetchError.transport(.broken("Transfer-Encoding in an HTTP/1.0 response"))
        #expect(try framing(["Transfer-Encoding: chunked"], version: .http10) == .failure(refused))
        #expect(try framing(["Content-Length: 10"], version: .http10) == .success(.length(10)))
    }
}
