import CCurl

/// A libcurl easy handle that checks every option: an option without effect would weaken a transfer unnoticed.
///
/// Concurrency: confined to the thread that uses it. It owns the handle and the lists that libcurl reads through it.
/// Errors: `refusedOption` names the first option that libcurl did not accept.
package final class CurlEasy {
    package let handle: UnsafeMutableRawPointer
    /// The first option that libcurl refused. While it is set the handle must not be used.
    package private(set) var refusedOption: String?

    private var lists: [UnsafeMutablePointer<curl_slist>] = []
    private let errorBuffer: UnsafeMutablePointer<CChar>

    /// libcurl's text of the last error; it may quote the peer.
    package var errorText: String { String(cString: errorBuffer) }

    /// `nil` when memory is out.
    package init?() {
        guard let handle = curl_easy_init() else { return nil }
        self.handle = handle
        errorBuffer = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorBuffer.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        set(CURLOPT_ERRORBUFFER, pointer: errorBuffer)
    }

    /// A handle that connects to `target` (`::ADDRESS:PORT`) for every host and port.
    package convenience init?(connectTo target: String) {
        self.init()
        set(CURLOPT_CONNECT_TO, list: [target])
    }

    deinit {
        curl_easy_cleanup(handle)
        for list in lists { curl_slist_free_all(list) }
        errorBuffer.deallocate()
    }

    package func set(_ option: CURLoption, to value: Int) {
        note(option, code: sts_curl_set_long(handle, option, value))
    }

    package func set(_ option: CURLoption, to value: Bool) {
        set(option, to: value ? 1 : 0)
    }

    /// libcurl copies the text. `nil` removes the value that was compiled in.
    package func set(_ option: CURLoption, text: String?) {
        note(option, code: sts_curl_set_string(handle, option, text))
    }

    package func set(_ option: CURLoption, list texts: [String]) {
        var list: UnsafeMutablePointer<curl_slist>?
        for text in texts {
            guard let longer = curl_slist_append(list, text) else {
                curl_slist_free_all(list)
                return note(option, code: CURLE_OUT_OF_MEMORY)
            }
            list = longer
        }
        if let list { lists.append(list) }
        note(option, code: sts_curl_set_list(handle, option, list))
    }

    /// The memory at `pointer` must live as long as the handle.
    package func set(_ option: CURLoption, pointer: UnsafeMutableRawPointer?) {
        note(option, code: sts_curl_set_pointer(handle, option, pointer))
    }

    package func set(_ option: CURLoption, receiver: @escaping curl_write_callback) {
        note(option, code: sts_curl_set_receiver(handle, option, receiver))
    }

    package func setHTTPSOnly() {
        note(CURLOPT_URL, code: sts_curl_set_https_only(handle))
    }

    package func setHTTPOnly() {
        note(CURLOPT_URL, code: sts_curl_set_http_only(handle))
    }

    package func setTLSSetup(_ callback: curl_ssl_ctx_callback) {
        note(CURLOPT_SSL_CTX_FUNCTION, code: sts_curl_set_tls_setup(handle, callback))
    }

    package func setCACache(seconds: Int) {
        note(CURLOPT_CAINFO, code: sts_curl_set_ca_cache_seconds(handle, seconds))
    }

    /// 0 when libcurl has no value.
    package func info(_ info: CURLINFO) -> Int {
        var value = 0
        return sts_curl_get_long(handle, info, &value) == CURLE_OK ? value : 0
    }

    private func note(_ option: CURLoption, code: CURLcode) {
        guard code != CURLE_OK, refusedOption == nil else { return }
        refusedOption = "libcurl refused option \(option.rawValue): \(CurlErrorMessage.libraryError(code))"
    }
}

/// libcurl as the process found it at run time.
package enum CurlLibrary {
    /// The result of the one initialisation of the process. It is never undone, because other code may use libcurl too.
    package static let initialisation = curl_global_init(Int(CURL_GLOBAL_DEFAULT))
}
