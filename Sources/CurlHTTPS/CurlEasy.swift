import CCurl

/// A libcurl easy handle whose every option is checked: one that does not take effect would be a hole in the fence.
///
/// Owns the handle and what libcurl reads through it: it is freed after the handle. Confined to the thread that uses it.
final class CurlEasy {
    let handle: UnsafeMutableRawPointer
    /// The first option that libcurl refused. While it is set the handle must not be used.
    private(set) var refusedOption: String?

    private let connectTo: UnsafeMutablePointer<curl_slist>
    private let errorBuffer: UnsafeMutablePointer<CChar>

    /// What libcurl noted about the last failure; it may quote the peer.
    var errorText: String { String(cString: errorBuffer) }

    /// A handle whose every connection goes to `connectTo` (`::ADDRESS:PORT`). `nil` when memory is out.
    init?(connectTo target: String) {
        guard let handle = curl_easy_init() else { return nil }
        guard let connectTo = curl_slist_append(nil, target) else {
            curl_easy_cleanup(handle)
            return nil
        }
        self.handle = handle
        self.connectTo = connectTo
        errorBuffer = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorBuffer.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        set(CURLOPT_ERRORBUFFER, pointer: errorBuffer)
        note(CURLOPT_CONNECT_TO, sts_curl_set_list(handle, CURLOPT_CONNECT_TO, connectTo))
    }

    deinit {
        curl_easy_cleanup(handle)
        curl_slist_free_all(connectTo)
        errorBuffer.deallocate()
    }

    func set(_ option: CURLoption, _ value: Int) {
        note(option, sts_curl_set_long(handle, option, value))
    }

    func set(_ option: CURLoption, _ value: Bool) {
        set(option, value ? 1 : 0)
    }

    /// libcurl copies the text. `nil` takes back what was compiled in.
    func set(_ option: CURLoption, text: String?) {
        note(option, sts_curl_set_string(handle, option, text))
    }

    /// What is pointed at must live as long as the handle.
    func set(_ option: CURLoption, pointer: UnsafeMutableRawPointer?) {
        note(option, sts_curl_set_pointer(handle, option, pointer))
    }

    func set(_ option: CURLoption, receiver: @escaping curl_write_callback) {
        note(option, sts_curl_set_receiver(handle, option, receiver))
    }

    func setHTTPSOnly() {
        note(CURLOPT_URL, sts_curl_set_https_only(handle))
    }

    func setTLSSetup(_ callback: curl_ssl_ctx_callback) {
        note(CURLOPT_SSL_CTX_FUNCTION, sts_curl_set_tls_setup(handle, callback))
    }

    func setCACache(seconds: Int) {
        note(CURLOPT_CAINFO, sts_curl_set_ca_cache_seconds(handle, seconds))
    }

    /// 0 when libcurl does not tell.
    func info(_ info: CURLINFO) -> Int {
        var value = 0
        return sts_curl_get_long(handle, info, &value) == CURLE_OK ? value : 0
    }

    private func note(_ option: CURLoption, _ code: CURLcode) {
        guard code != CURLE_OK, refusedOption == nil else { return }
        refusedOption = "libcurl refused option \(option.rawValue): \(CurlText.libraryError(code))"
    }
}
