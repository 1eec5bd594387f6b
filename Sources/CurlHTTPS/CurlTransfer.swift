import CCurl
import COpenSSL
import Discovery

/// One attempt: one GET of one policy from one address, over one fresh connection.
///
/// Obeys: RFC 8461 §3.3 (https, no redirects, no caching, SNI, TLS ≥ 1.2 by §7.2), RFC 9112 §8 and §9.8 (a response that
/// ends with its connection is complete only after close_notify).
/// Concurrency: confined to the thread of its `CurlLoop`, which also runs the callbacks.
/// Fails by: `AttemptEnding`.
/// Not here: whether another address is tried (FetchSchedule), what libcurl's codes mean (CurlOutcome), whom the
/// certificate must name (CertificateJudgement).
final class CurlTransfer {
    private let easy: CurlEasy
    private let request: PolicyRequest
    private let address: IPAddress
    private let maximumBody: Int
    /// Of the last connection, as is `watch`: libcurl may begin a transfer anew, after HTTP_1_1_REQUIRED for instance.
    private var reader: ResponseReader
    private var watch: ConnectionWatch?
    private var isJudged = false

    var handle: UnsafeMutableRawPointer { easy.handle }

    /// - Throws: `.transport(.local)`; nothing was dialled.
    init(
        _ request: PolicyRequest, at address: IPAddress, limits: AttemptLimits,
        _ configuration: CurlFetcherConfiguration
    ) throws(FetchFailure) {
        // Any host and port of the URL → this literal: libcurl asks no DNS. CURLOPT_RESOLVE would pin as well, but its
        // entries stay in the multi handle's cache and would answer for the host's next fetch.
        let literal = address.isIPv6 ? "[\(address)]" : "\(address)"
        guard let easy = CurlEasy(connectTo: "::\(literal):\(configuration.port)") else {
            throw .transport(.local("out of memory"))
        }
        self.easy = easy
        self.request = request
        self.address = address
        maximumBody = configuration.maximumBody
        reader = ResponseReader(maximumBody: maximumBody)
        setRequest(configuration)
        setTLS(configuration.trust)
        setTimes(limits)
        setCallbacks()
        if let reason = easy.refusedOption { throw .transport(.local(reason)) }
    }

    /// What came of it, once libcurl has said that the transfer is over.
    func ending(_ code: CURLcode) -> AttemptEnding {
        if code == CURLE_OK, reader.refusal == nil {
            // Belt and braces: an unjudged connection proves nothing.
            guard isJudged else { return .refused(.transport(.local("the TLS set-up was not called"))) }
            guard reader.isComplete else { return .failed(.broken("no complete HTTP response")) }
            if let reason = reader.incompleteness(hasCloseNotify: watch?.hasCloseNotify == true) {
                return .failed(.broken(reason))
            }
            return .answered(
                PolicyResponse(
                    body: reader.body, contentTypes: reader.contentTypes, address: address, httpVersion: httpVersion,
                    tls: CertificateJudgement.summary(of: handle)))
        }
        return CurlOutcome(
            code: code, refusal: reader.refusal, verifyResult: easy.info(CURLINFO_SSL_VERIFYRESULT),
            systemError: Int32(truncatingIfNeeded: easy.info(CURLINFO_OS_ERRNO)), errorText: easy.errorText
        ).ending
    }

    private var httpVersion: String {
        switch easy.info(CURLINFO_HTTP_VERSION) {
        case Int(CURL_HTTP_VERSION_1_0): "HTTP/1.0"
        case Int(CURL_HTTP_VERSION_2_0): "HTTP/2"
        default: "HTTP/1.1"
        }
    }

    private func setRequest(_ configuration: CurlFetcherConfiguration) {
        easy.setHTTPSOnly()
        easy.set(CURLOPT_URL, text: request.url)
        easy.set(CURLOPT_DISALLOW_USERNAME_IN_URL, true)
        easy.set(CURLOPT_DNS_CACHE_TIMEOUT, 0)
        easy.set(CURLOPT_HTTPGET, true)
        easy.set(CURLOPT_USERAGENT, text: configuration.userAgent)
        // RFC 8461 §3.3 MUST NOT.
        easy.set(CURLOPT_FOLLOWLOCATION, false)
        // The empty text means no proxy and keeps https_proxy and its kin from being read.
        easy.set(CURLOPT_PROXY, text: "")
        easy.set(CURLOPT_NETRC, sts_curl_netrc_ignored)
        // No Accept-Encoding, and nothing decoded that comes encoded nevertheless (STS-3.3-l).
        easy.set(CURLOPT_ACCEPT_ENCODING, text: nil)
        easy.set(CURLOPT_HTTP_CONTENT_DECODING, false)
        easy.set(CURLOPT_HTTP09_ALLOWED, false)
        // ALPN offers h2 and http/1.1; the server chooses (STS-3.3-r).
        easy.set(CURLOPT_SSL_ENABLE_ALPN, true)
        easy.set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
        // No connection is used twice: a fetch shows what the host does now. Cookies, HSTS and Alt-Svc are off unless
        // asked for, and there is no state to keep them in.
        easy.set(CURLOPT_FRESH_CONNECT, true)
        easy.set(CURLOPT_FORBID_REUSE, true)
    }

    private func setTLS(_ trust: CATrust) {
        // RFC 8461 §7.2, RFC 9325 §3.1.1.
        easy.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2) | Int(CURL_SSLVERSION_MAX_DEFAULT))
        easy.set(CURLOPT_SSL_SESSIONID_CACHE, false)
        easy.set(CURLOPT_SSL_VERIFYPEER, true)
        // Not unchecked: see CertificateJudgement.
        easy.set(CURLOPT_SSL_VERIFYHOST, 0)
        easy.set(CURLOPT_CAINFO, text: trust.path)
        // Distributions compile a directory in, which would be trusted beside the file.
        easy.set(CURLOPT_CAPATH, text: nil)
        // Parsing the system's bundle takes some 20 ms of CPU, so not for each handshake; but an updated bundle should
        // count without a restart.
        easy.setCACache(seconds: 3_600)
        easy.set(CURLOPT_CERTINFO, true)
        easy.setTLSSetup { _, context, transfer in
            guard let context, let transfer else { return CURLE_ABORTED_BY_CALLBACK }
            let this = Unmanaged<CurlTransfer>.fromOpaque(transfer).takeUnretainedValue()
            let (settings, watch) = (OpaquePointer(context), ConnectionWatch())
            this.watch = watch
            // Nothing that another connection brought is a part of this one's response.
            this.reader = ResponseReader(maximumBody: this.maximumBody)
            this.isJudged =
                CertificateJudgement.demand(this.request.host, of: settings) && watch.start(on: settings)
            return this.isJudged ? CURLE_OK : CURLE_ABORTED_BY_CALLBACK
        }
    }

    private func setTimes(_ limits: AttemptLimits) {
        // Signals are the daemon's; without them libcurl's time-outs work by its own clock.
        easy.set(CURLOPT_NOSIGNAL, true)
        easy.set(CURLOPT_CONNECTTIMEOUT_MS, limits.connect.millisecondsRoundedUp)
        easy.set(CURLOPT_TIMEOUT_MS, limits.total.millisecondsRoundedUp)
    }

    private func setCallbacks() {
        // Unretained: `self` owns the handle, and a closed handle calls nobody.
        let this = Unmanaged.passUnretained(self).toOpaque()
        easy.set(CURLOPT_SSL_CTX_DATA, pointer: this)
        easy.set(CURLOPT_HEADERDATA, pointer: this)
        easy.set(CURLOPT_WRITEDATA, pointer: this)
        easy.set(CURLOPT_HEADERFUNCTION) { data, size, count, transfer in
            CurlTransfer.receive(data, size * count, transfer) {
                $0.reader.take(headerLine: $1, isHTTP2: $0.watch?.isHTTP2 == true)
            }
        }
        easy.set(CURLOPT_WRITEFUNCTION) { data, size, count, transfer in
            CurlTransfer.receive(data, size * count, transfer) { $0.reader.take(body: $1) }
        }
    }

    /// libcurl ends the transfer when less is taken than was offered; CURL_WRITEFUNC_ERROR (or any count that is not
    /// `length`) says so even for an empty piece.
    private static func receive(
        _ data: UnsafeMutablePointer<CChar>?, _ length: Int, _ transfer: UnsafeMutableRawPointer?,
        _ take: (CurlTransfer, UnsafeRawBufferPointer) -> Bool
    ) -> Int {
        guard let transfer else { return length + 1 }
        let this = Unmanaged<CurlTransfer>.fromOpaque(transfer).takeUnretainedValue()
        return take(this, UnsafeRawBufferPointer(start: data, count: length)) ? length : length + 1
    }
}

extension Duration {
    /// At least 1, since libcurl reads 0 as "for ever". Rounded up, so that a deadline has passed when its timer fires.
    var millisecondsRoundedUp: Int {
        let (seconds, attoseconds) = components
        let milliseconds = seconds.multipliedReportingOverflow(by: 1_000)
        guard !milliseconds.overflow, milliseconds.partialValue < Int64(Int32.max) - 1_000 else {
            return Int(Int32.max)
        }
        return max(1, Int(milliseconds.partialValue + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000))
    }
}
