import CCurl
import Discovery
import LibCurl
import Testing

@testable import CurlHTTPS

struct CurlResultTests {
    private func result(
        _ code: CURLcode, readerError: FetchError? = nil, verifyResult: Int = 0, systemError: Int32 = 0,
        errorText: String = ""
    ) -> AttemptResult {
        CurlResult(
            code: code, readerError: readerError, verifyResult: verifyResult, systemError: systemError,
            errorText: errorText
        ).attemptResult
    }

    @Test func `the error of the reader takes precedence over the code of libcurl`() {
        #expect(result(CURLE_WRITE_ERROR, readerError: .http(.status(404))) == .refused(.http(.status(404))))
        #expect(result(CURLE_OK, readerError: .transport(.broken("x"))) == .failed(.broken("x")))
    }

    @Test func `libcurl's codes become results`() {
        #expect(result(CURLE_OPERATION_TIMEDOUT) == .timedOut)
        #expect(result(CURLE_PEER_FAILED_VERIFICATION, verifyResult: 10) == .refused(.certificate(.expired)))
        #expect(result(CURLE_COULDNT_CONNECT, systemError: 113) == .failed(.unreachable("No route to host")))
        #expect(result(CURLE_COULDNT_CONNECT) == .failed(.unreachable("Couldn't connect to server")))
        #expect(result(CURLE_GOT_NOTHING) == .failed(.broken("Server returned nothing (no headers, no data)")))
        #expect(result(CURLE_UNSUPPORTED_PROTOCOL) == .failed(.broken("not HTTP")))
        #expect(result(CURLE_FAILED_INIT) == .refused(.transport(.local("Failed initialization"))))
    }

    @Test func `a shortage of this host is a local error`() {
        #expect(result(CURLE_COULDNT_CONNECT, systemError: 24) == .refused(.transport(.local("Too many open files"))))
        #expect(result(CURLE_COULDNT_CONNECT, systemError: 101) == .failed(.local("Network is unreachable")))
    }

    @Test func `a failed handshake has OpenSSL's reason if there is one`() {
        let text = "error:0A000102:SSL routines::unsupported protocol"
        #expect(result(CURLE_SSL_CONNECT_ERROR, errorText: text) == .failed(.handshake("unsupported protocol")))
        let other = "OpenSSL SSL_connect: Connection reset by peer in connection to \u{1b}[31m:443"
        #expect(result(CURLE_SSL_CONNECT_ERROR, errorText: other) == .failed(.handshake("SSL connect error")))
    }
}

struct CurlErrorMessageTests {
    @Test func `texts are short and printable`() {
        #expect(CurlErrorMessage.printable("a\u{1b}[31m\r\nb\u{7f}") == "a?[31m??b?")
        #expect(CurlErrorMessage.printable("ü") == "??")
        #expect(CurlErrorMessage.printable(String(repeating: "x", count: 500)).count == CurlErrorMessage.maximumLength)
        #expect(CurlErrorMessage.systemError(111) == "Connection refused")
    }
}
