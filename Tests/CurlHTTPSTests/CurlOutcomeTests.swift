import CCurl
import Discovery
import Testing

@testable import CurlHTTPS

struct CurlOutcomeTests {
    private func ending(
        _ code: CURLcode, refusal: FetchFailure? = nil, verifyResult: Int = 0, systemError: Int32 = 0,
        errorText: String = ""
    ) -> AttemptEnding {
        CurlOutcome(
            code: code, refusal: refusal, verifyResult: verifyResult, systemError: systemError, errorText: errorText
        ).ending
    }

    @Test func `our own refusal comes before libcurl's word`() {
        #expect(ending(CURLE_WRITE_ERROR, refusal: .http(.status(404))) == .refused(.http(.status(404))))
        #expect(ending(CURLE_OK, refusal: .transport(.broken("x"))) == .failed(.broken("x")))
    }

    @Test func `libcurl's codes have consequences`() {
        #expect(ending(CURLE_OPERATION_TIMEDOUT) == .timedOut)
        #expect(ending(CURLE_PEER_FAILED_VERIFICATION, verifyResult: 10) == .refused(.certificate(.expired)))
        #expect(ending(CURLE_COULDNT_CONNECT, systemError: 113) == .failed(.unreachable("No route to host")))
        #expect(ending(CURLE_COULDNT_CONNECT) == .failed(.unreachable("Couldn't connect to server")))
        #expect(ending(CURLE_GOT_NOTHING) == .failed(.broken("Server returned nothing (no headers, no data)")))
        #expect(ending(CURLE_UNSUPPORTED_PROTOCOL) == .failed(.broken("not HTTP")))
        #expect(ending(CURLE_FAILED_INIT) == .refused(.transport(.local("Failed initialization"))))
    }

    @Test func `what this host lacks is no fault of the policy host`() {
        #expect(ending(CURLE_COULDNT_CONNECT, systemError: 24) == .refused(.transport(.local("Too many open files"))))
        #expect(ending(CURLE_COULDNT_CONNECT, systemError: 101) == .failed(.local("Network is unreachable")))
    }

    @Test func `a failed handshake has OpenSSL's reason where there is one`() {
        let text = "error:0A000102:SSL routines::unsupported protocol"
        #expect(ending(CURLE_SSL_CONNECT_ERROR, errorText: text) == .failed(.handshake("unsupported protocol")))
        let other = "OpenSSL SSL_connect: Connection reset by peer in connection to \u{1b}[31m:443"
        #expect(ending(CURLE_SSL_CONNECT_ERROR, errorText: other) == .failed(.handshake("SSL connect error")))
    }
}

struct CurlTextTests {
    @Test func `texts are short and printable`() {
        #expect(CurlText.printable("a\u{1b}[31m\r\nb\u{7f}") == "a?[31m??b?")
        #expect(CurlText.printable("ü") == "??")
        #expect(CurlText.printable(String(repeating: "x", count: 500)).count == CurlText.maximumLength)
        #expect(CurlText.systemError(111) == "Connection refused")
    }
}
