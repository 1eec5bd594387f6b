import CCurl
import COpenSSL
import Discovery
import LibCurl
import TextFormats

/// One attempt: one GET request to one address over a new connection.
///
/// Protocol: RFC 8461 §3.3 (https, no redirects, no caching, SNI; TLS 1.2 or later by §7.2), RFC 9112 §8 and §9.8 (a
/// response that ends with its connection is complete only after close_notify).
/// Concurrency: Confined to the thread of its `CurlLoop`, which also runs the callbacks.
/// Errors: `AttemptResult`.
/// Not here: other addresses (FetchSchedule), libcurl's result codes (CurlResult), certificates (CertificateVerification).
final class CurlTransfer {
    private let easy: CurlEasy
    private let request: PolicyRequest
    private let address: IPAddress
    private let maximumBody: Int
    /// `reader` and `watch` belong to the last connection. libcurl may restart a transfer, for instance after
    /// HTTP_1_1_REQUIRED.
    private var reader: ResponseReader
    private var watch: ConnectionWatch?
    private var isVerificationSet = false

    var handle: UnsafeMutableRawPointer { easy.handle }

    /// - Throws: `.transport(.local)`. There was no connection.
    init(
        _ request: PolicyRequest, at address: IPAddress, limits: AttemptLimits,
        configuration: CurlFetcherConfiguration
    ) throws(FetchError) {
        // Connect to this literal for any host and port of the URL, so that libcurl makes no DNS query. CURLOPT_RESOLVE would
        // do the same, but its entries stay in the multi handle's cache for the next fetch of the host.
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

    /// The result, after libcurl has ended the transfer with `code`.
    func result(_ code: CURLcode) -> AttemptResult {
        if code == CURLE_OK, reader.error == nil {
            // A second check: without the verification the connection proves nothing.
            guard isVerificationSet else { return .refused(.transport(.local("TLS setup callback was not called"))) }
            guard reader.hasCompleteHeader else { return .failed(.broken("no complete HTTP response")) }
            if let reason = reader.incompleteReason(hasCloseNotify: watch?.hasCloseNotify == true) {
                return .failed(.broken(reason))
            }
            return .answered(
                PolicyResponse(
                    body: reader.body, contentTypes: reader.contentTypes, address: address, httpVersion: httpVersion,
                    tls: watch?.summary ?? TLSSummary(issuer: nil, notAfter: nil)))
        }
        return CurlResult(
            code: code, readerError: reader.error, verifyResult: easy.info(CURLINFO_SSL_VERIFYRESULT),
            systemError: Int32(truncatingIfNeeded: easy.info(CURLINFO_OS_ERRNO)), errorText: easy.errorText
        ).attemptResult
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
        easy.set(CURLOPT_DISALLOW_USERNAME_IN_URL, to: true)
        easy.set(CURLOPT_DNS_CACHE_TIMEOUT, to: 0)
        easy.set(CURLOPT_HTTPGET, to: true)
        easy.set(CURLOPT_USERAGENT, text: configuration.userAgent)
        // RFC 8461 §3.3 MUST NOT.
        easy.set(CURLOPT_FOLLOWLOCATION, to: false)
        // The empty text means no proxy. It also makes libcurl ignore https_proxy and similar variables.
        easy.set(CURLOPT_PROXY, text: "")
        easy.set(CURLOPT_NETRC, to: sts_curl_netrc_ignored)
        // Send no Accept-Encoding, and never decode a body (STS-3.3-l).
        easy.set(CURLOPT_ACCEPT_ENCODING, text: nil)
        easy.set(CURLOPT_HTTP_CONTENT_DECODING, to: false)
        easy.set(CURLOPT_HTTP09_ALLOWED, to: false)
        // ALPN offers h2 and http/1.1; the server chooses (STS-3.3-r).
        easy.set(CURLOPT_SSL_ENABLE_ALPN, to: true)
        easy.set(CURLOPT_HTTP_VERSION, to: Int(CURL_HTTP_VERSION_2TLS))
        // Use each connection once, so that a fetch shows the current state of the host. Cookies, HSTS and Alt-Svc are off by
        // default.
        easy.set(CURLOPT_FRESH_CONNECT, to: true)
        easy.set(CURLOPT_FORBID_REUSE, to: true)
    }

    private func setTLS(_ trust: CATrust) {
        // RFC 8461 §7.2, RFC 9325 §3.1.1.
        easy.set(CURLOPT_SSLVERSION, to: Int(CURL_SSLVERSION_TLSv1_2) | Int(CURL_SSLVERSION_MAX_DEFAULT))
        easy.set(CURLOPT_SSL_SESSIONID_CACHE, to: false)
        easy.set(CURLOPT_SSL_VERIFYPEER, to: true)
        // OpenSSL checks the name: see CertificateVerification.
        easy.set(CURLOPT_SSL_VERIFYHOST, to: 0)
        easy.set(CURLOPT_CAINFO, text: trust.path)
        // Distributions compile in a directory, which would be trusted in addition to the file.
        easy.set(CURLOPT_CAPATH, text: nil)
        // Parsing the system's bundle takes about 20 ms of CPU, too much for each handshake. After an hour an updated bundle
        // applies without a restart.
        easy.setCACache(seconds: 3_600)
        easy.setTLSSetup { _, context, transfer in
            guard let context, let transfer else { return CURLE_ABORTED_BY_CALLBACK }
            let this = Unmanaged<CurlTransfer>.fromOpaque(transfer).takeUnretainedValue()
            let (settings, watch) = (OpaquePointer(context), ConnectionWatch())
            this.watch = watch
            // Discard what another connection received.
            this.reader = ResponseReader(maximumBody: this.maximumBody)
            this.isVerificationSet =
                CertificateVerification.require(this.request.host, in: settings) && watch.start(on: settings)
            return this.isVerificationSet ? CURLE_OK : CURLE_ABORTED_BY_CALLBACK
        }
    }

    private func setTimes(_ limits: AttemptLimits) {
        // libcurl must not use signals, which belong to the daemon.
        easy.set(CURLOPT_NOSIGNAL, to: true)
        easy.set(CURLOPT_CONNECTTIMEOUT_MS, to: Self.milliseconds(limits.connect))
        easy.set(CURLOPT_TIMEOUT_MS, to: Self.milliseconds(limits.total))
    }

    /// At least 1, because 0 means no limit to libcurl.
    static func milliseconds(_ limit: Duration) -> Int { max(1, Int(limit.millisecondsRoundedUp)) }

    private func setCallbacks() {
        // Unretained: `self` owns the handle, and a closed handle calls no callback.
        let this = Unmanaged.passUnretained(self).toOpaque()
        easy.set(CURLOPT_SSL_CTX_DATA, pointer: this)
        easy.set(CURLOPT_HEADERDATA, pointer: this)
        easy.set(CURLOPT_WRITEDATA, pointer: this)
        easy.set(CURLOPT_HEADERFUNCTION) { data, size, count, transfer in
            CurlTransfer.receive(data, length: size * count, transfer: transfer) {
                $0.reader.receive(headerLine: $1, isHTTP2: $0.watch?.isHTTP2 == true)
            }
        }
        easy.set(CURLOPT_WRITEFUNCTION) { data, size, count, transfer in
            CurlTransfer.receive(data, length: size * count, transfer: transfer) { $0.reader.receive(body: $1) }
        }
    }

    /// Returns `length`, or another number to stop the transfer, which also works for an empty piece.
    private static func receive(
        _ data: UnsafeMutablePointer<CChar>?, length: Int, transfer: UnsafeMutableRawPointer?,
        into reader: (CurlTransfer, UnsafeRawBufferPointer) -> Bool
    ) -> Int {
        guard let transfer else { return length + 1 }
        let this = Unmanaged<CurlTransfer>.fromOpaque(transfer).takeUnretainedValue()
        return reader(this, UnsafeRawBufferPointer(start: data, count: length)) ? length : length + 1
    }
}
