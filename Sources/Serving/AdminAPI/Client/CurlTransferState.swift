import CCurl
import Foundation
import LibCurl
import Synchronization
import TextFormats

/// libcurl's multi handle, of which any thread may wake the one that waits.
///
/// Concurrency: `cancel` and `isCancelled` from any thread, `pointer` from one thread at a time.
final class CurlWakeup: @unchecked Sendable {
    // Unchecked: curl_multi_wakeup is the one function of libcurl that any thread may call on a handle in use
    // (libcurl-thread(3)), and the handle lives as long as this object.
    let pointer: UnsafeMutableRawPointer
    private let cancelled = Atomic(false)

    /// `nil` when memory is out.
    init?() {
        guard let pointer = curl_multi_init() else { return nil }
        self.pointer = pointer
    }

    deinit { curl_multi_cleanup(pointer) }

    var isCancelled: Bool { cancelled.load(ordering: .acquiring) }

    func cancel() {
        cancelled.store(true, ordering: .releasing)
        curl_multi_wakeup(pointer)
    }
}

/// One libcurl transfer: its handles and the part of the response that was not read yet.
///
/// Concurrency: one thread at a time; libcurl calls the receivers within `step`.
final class CurlTransferState {
    private let easy: CurlEasy
    private let multi: CurlWakeup
    private var body = Data()
    /// The status line and every field of the final response have come.
    private(set) var hasHead = false
    /// libcurl's result; `nil` while the transfer is in progress.
    private(set) var result: CURLcode?

    /// Milliseconds in one wait. A wakeup, a socket or the deadline ends it earlier.
    private static let longestWait: Int32 = 60_000

    init(_ request: AdminTransfer.Request, easy: CurlEasy, multi: CurlWakeup) throws(AdminClientError) {
        self.easy = easy
        self.multi = multi
        setConnection(request.path)
        setRequest(request)
        setReceivers()
        if let reason = easy.refusedOption { throw .unreachable(request.path, .other(reason)) }
        let code = curl_multi_add_handle(multi.pointer, easy.handle)
        guard code == CURLM_OK else {
            throw .unreachable(request.path, .other(CurlErrorMessage.multiError(code)))
        }
    }

    deinit { curl_multi_remove_handle(multi.pointer, easy.handle) }

    /// The HTTP status; 0 before a response.
    var status: Int { easy.info(CURLINFO_RESPONSE_CODE) }

    /// The errno of a failed connect(2); 0 without one.
    var systemError: Int32 { Int32(truncatingIfNeeded: easy.info(CURLINFO_OS_ERRNO)) }

    /// The octets of the body since the last call; `nil`: none.
    func takeBody() -> Data? {
        guard !body.isEmpty else { return nil }
        defer { body = Data() }
        return body
    }

    /// Works on the transfer until octets have come, it is over, or `deadline` has passed.
    ///
    /// - Returns: the result of a transfer that is over.
    func step(until deadline: ContinuousClock.Instant?) throws -> CURLcode? {
        if let result { return result }
        try perform()
        guard result == nil, body.isEmpty, deadline.map({ .now < $0 }) ?? true else { return result }
        let wait = deadline.map { min(Self.longestWait, ContinuousClock.now.duration(to: $0).millisecondsRoundedUp) }
        let code = curl_multi_poll(multi.pointer, nil, 0, wait ?? Self.longestWait, nil)
        guard code == CURLM_OK else { throw AdminClientError.broken(CurlErrorMessage.multiError(code)) }
        try perform()
        return result
    }

    private func perform() throws {
        if multi.isCancelled { throw CancellationError() }
        var running: Int32 = 0
        let code = curl_multi_perform(multi.pointer, &running)
        guard code == CURLM_OK else { throw AdminClientError.broken(CurlErrorMessage.multiError(code)) }
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi.pointer, &left) {
            if message.pointee.msg == CURLMSG_DONE { result = sts_curl_message_result(message) }
        }
    }

    // MARK: Options

    private func setConnection(_ path: String) {
        easy.setHTTPOnly()
        easy.set(CURLOPT_UNIX_SOCKET_PATH, text: path)
        easy.set(CURLOPT_NOSIGNAL, to: true)
        // The empty text also keeps libcurl from reading http_proxy and similar variables.
        easy.set(CURLOPT_PROXY, text: "")
        easy.set(CURLOPT_NETRC, to: sts_curl_netrc_ignored)
        easy.set(CURLOPT_FOLLOWLOCATION, to: false)
        easy.set(CURLOPT_HTTP_VERSION, to: Int(CURL_HTTP_VERSION_1_1))
        easy.set(CURLOPT_HTTP09_ALLOWED, to: false)
        easy.set(CURLOPT_FORBID_REUSE, to: true)
    }

    private func setRequest(_ request: AdminTransfer.Request) {
        // The host is not resolved: every connection goes to the socket.
        easy.set(CURLOPT_URL, text: "http://localhost" + request.endpoint.text)
        // A domain of dots is the server's to refuse, not a step up in the path.
        easy.set(CURLOPT_PATH_AS_IS, to: true)
        if request.body != nil || request.method == "POST" {
            let body = String(decoding: request.body ?? Data(), as: UTF8.self)
            easy.set(CURLOPT_POSTFIELDSIZE, to: body.utf8.count)
            easy.set(CURLOPT_COPYPOSTFIELDS, text: body)
        }
        easy.set(CURLOPT_CUSTOMREQUEST, text: request.method)
        // Without `Expect`, which would cost a round trip.
        easy.set(CURLOPT_HTTPHEADER, list: ["Content-Type: application/json", "Expect:"])
    }

    private func setReceivers() {
        // Unretained: this object owns the handle, and libcurl makes no calls after `deinit`.
        let this = Unmanaged.passUnretained(self).toOpaque()
        easy.set(CURLOPT_HEADERDATA, pointer: this)
        easy.set(CURLOPT_WRITEDATA, pointer: this)
        easy.set(CURLOPT_HEADERFUNCTION) { data, size, count, this in
            guard let data, let this else { return 0 }
            let state = Unmanaged<CurlTransferState>.fromOpaque(this).takeUnretainedValue()
            state.receive(headerLine: UnsafeRawBufferPointer(start: data, count: size * count))
            return size * count
        }
        easy.set(CURLOPT_WRITEFUNCTION) { data, size, count, this in
            guard let data, let this else { return 0 }
            let state = Unmanaged<CurlTransferState>.fromOpaque(this).takeUnretainedValue()
            state.body.append(contentsOf: UnsafeRawBufferPointer(start: data, count: size * count))
            return size * count
        }
    }

    /// The empty line ends the head, except that of an interim response (RFC 9110 §15.2).
    private func receive(headerLine line: UnsafeRawBufferPointer) {
        if line.allSatisfy({ $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n") }), status >= 200 { hasHead = true }
    }
}
