import COpenSSL
import Discovery
import PolicyRuntime
import TestSupport
import Testing

@testable import CurlHTTPS

extension AgainstNginx {
    /// A body that ends with its connection is complete only after close_notify (RFC 9112 §9.8).
    @Suite struct CloseNotifyTests {
        private static let address = "127.0.0.4"
        private static let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        private static let cut = FetchError.transport(
            .broken("connection ended without close_notify, the body may be truncated"))

        let nginx: NginxFixture

        init() throws { nginx = try #require(NginxFixture.current) }

        private func get(_ reply: TLSPeer.Reply, maximumVersion: Int32 = TLS1_3_VERSION) async throws
            -> Result<PolicyResponse, FetchError>
        {
            let peer = try TLSPeer([reply], in: nginx, address: Self.address, maximumVersion: maximumVersion)
            defer { peer.close() }
            return try await nginx.get("peer.site.test", at: [Self.address])
        }

        @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION], ["HTTP/1.1", "HTTP/1.0"])
        func `STS-3.3-l: a body that ends with its connection is accepted only after close_notify`(
            maximumVersion: Int32, version: String
        ) async throws {
            let pieces = ["\(version) 200 OK\r\nContent-Type: text/plain\r\n\r\n", "max_age: 5", "184000"]
            let whole = try await get(.init(pieces: pieces, ending: .closeNotify), maximumVersion: maximumVersion)
            #expect(whole.text == "max_age: 5184000")
            let shorter = TLSPeer.Reply(pieces: pieces.dropLast(), ending: .cut)
            let cut = try await get(shorter, maximumVersion: maximumVersion)
            #expect(cut.failure == Self.cut)
            // It may be truncated.
            let unproven = try await get(.init(pieces: pieces, ending: .cut), maximumVersion: maximumVersion)
            #expect(unproven.failure == Self.cut)
        }

        @Test func `an empty body without close_notify is refused`() async throws {
            #expect(try await get(.init(pieces: [Self.head + "\r\n"], ending: .cut)).failure == Self.cut)
        }

        @Test(arguments: [
            ["Content-Length: 6\r\n\r\n", "policy"],
            ["Content-Length: 6\r\nContent-Length: 6\r\n\r\n", "policy"],
            ["Transfer-Encoding: chunked\r\n\r\n", "3\r\npol\r\n", "3\r\ncy!\r\n", "0\r\n\r\n"],
        ])
        func `a body whose length is known needs no close_notify`(pieces: [String]) async throws {
            for ending in [TLSPeer.Ending.cut, .closeNotify] {
                let text = try await get(.init(pieces: [Self.head + pieces[0]] + pieces.dropFirst(), ending: ending))
                    .text
                #expect(text?.count == 6, "\(ending)")
            }
        }

        @Test(arguments: [
            ["Content-Length: 7\r\n\r\n", "policy"],
            ["Content-Length: 99999999999999999999\r\n\r\n", "policy"],
            ["Content-Length: 6\r\nContent-Length: 7\r\n\r\n", "policy!"],
            ["Content-Length: six\r\n\r\n", "policy"],
            ["Transfer-Encoding: chunked\r\n\r\n", "6\r\npolicy\r\n"],
            ["Transfer-Encoding: chunked\r\n\r\n", "7\r\npolicy"],
        ])
        func `STS-3.3-l: a body shorter than announced is refused, with and without close_notify`(
            pieces: [String]
        ) async throws {
            for ending in [TLSPeer.Ending.cut, .closeNotify] {
                let result = try await get(.init(pieces: [Self.head + pieces[0]] + pieces.dropFirst(), ending: ending))
                guard case .transport(.broken) = result.failure else {
                    Issue.record("\(ending): \(result)")
                    continue
                }
            }
        }

        @Test(arguments: [
            // libcurl does not recognise any of these as `chunked`, so the body ends with the connection.
            "Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", "Transfer-Encoding:\r\n chunked",
            "X-First: y\r\n Transfer-Encoding: chunked", " Transfer-Encoding: chunked",
            "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked;q=1", "Transfer-Encoding: \"chunked\"",
            "Transfer-Encoding: chun\u{212A}ed", "Transfer-Encoding: \u{B}chunked", "Transfer-Encoding: chunked\rX",
            "Transfer-Encoding: identity", "Transfer-Encoding:", "Transfer-Encoding: identity\r\nContent-Length: 15",
            "Content-Length : 15", "Content-Length:\r\n 15", "Content-Length: 1\r\n 5", "Content-Length:",
            "X-First: y\rTransfer-Encoding: chunked", "X-First: y\0\r\nTransfer-Encoding: chunked",
        ])
        func `STS-3.3-l: a truncated body is refused with any framing fields`(fields: String) async throws {
            let pieces = [Self.head + fields + "\r\n\r\n", "max_age: 5", "184000"]
            let result = try await get(.init(pieces: pieces.dropLast(), ending: .cut))
            guard case .transport(.broken) = result.failure else {
                return #expect(result.failure == .http(.contentCoding))
            }
        }

        @Test func `STS-3.3-l: a response with an HTTP/2 status line over HTTP/1.1 is refused`()
            async throws
        {
            for version in ["HTTP/2", "HTTP/2.0", "HTTP/3"] {
                for ending in [TLSPeer.Ending.cut, .closeNotify] {
                    let head = "\(version) 200 OK\r\nContent-Type: text/plain\r\n\r\n"
                    let result = try await get(.init(pieces: [head, "max_age: 5"], ending: ending))
                    guard case .transport(.broken) = result.failure else {
                        Issue.record("\(version), \(ending): \(result)")
                        continue
                    }
                }
            }
        }

        @Test func `the fields of an interim response and the trailer fields do not frame the body`() async throws {
            let interim = "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\nContent-Length: 10\r\n\r\n"
            let pieces = [interim + Self.head + "\r\n", "max_age: 5"]
            #expect(try await get(.init(pieces: pieces, ending: .cut)).failure == Self.cut)
            #expect(try await get(.init(pieces: pieces, ending: .closeNotify)).text == "max_age: 5")
            let trailer = "0\r\nContent-Length: 3\r\nTransfer-Encoding: identity\r\n\r\n"
            let chunked = [Self.head + "Transfer-Encoding: chunked\r\n\r\n", "6\r\npolicy\r\n", trailer]
            #expect(try await get(.init(pieces: chunked, ending: .cut)).text == "policy")
        }

        /// Both connections are open at the same time. The complete one ends first.
        @Test(arguments: [0, 1])
        func `STS-3.3-l: each of two transfers at once has its own close_notify`(whole: Int) async throws {
            let (holds, addresses) = ([TLSPeer.Hold(), TLSPeer.Hold()], [Self.address, "127.0.0.5"])
            let peers = try holds.indices.map { index in
                let pieces = [Self.head + "\r\n", "max_age: \(index)"]
                let ending = index == whole ? TLSPeer.Ending.closeNotify : .cut
                let reply = TLSPeer.Reply(pieces: pieces, ending: ending, hold: holds[index])
                return try TLSPeer([reply], in: nginx, address: addresses[index])
            }
            let fetcher = try nginx.fetcher()
            var fetches: [Task<Result<PolicyResponse, FetchError>, Never>] = []
            for (hold, address) in zip(holds, addresses) {
                let request = try PolicyRequest(nginx: "peer.site.test", at: [address])
                fetches.append(Task { await fetcher.result(request) })
                await hold.arrival()
            }
            holds[whole].open()
            #expect(await fetches[whole].value.text == "max_age: \(whole)")
            holds[1 - whole].open()
            #expect(await fetches[1 - whole].value.failure == Self.cut)
            await fetcher.close()
            for peer in peers { peer.close() }
        }

        @Test(arguments: [TLSPeer.Ending.cut, .closeNotify])
        func `STS-3.3-l: a body over HTTP/2 is complete at the end of its stream, with and without close_notify`(
            ending: TLSPeer.Ending
        ) async throws {
            let frames = [HTTP2Frame.head, .data("max_age: 5", isLast: false), .data("184000", isLast: true)]
            let whole = try await get(.init(frames: frames, ending: ending))
            #expect(whole.text == "max_age: 5184000")
            let cut = try await get(.init(frames: frames.dropLast(), ending: ending))
            guard case .transport(.broken) = cut.failure else {
                Issue.record("\(cut)")
                return
            }
        }

        @Test func `STS-3.3-p: a truncated refresh does not replace the cached policy`() async throws {
            let policy = "version: STSv1\nmode: enforce\nmx: mx.site.test\nmax_age: 5"
            let peer = try TLSPeer(
                [
                    .init(pieces: [Self.head + "\r\n", policy, "184000\n"], ending: .closeNotify),
                    .init(pieces: [Self.head + "\r\n", policy], ending: .cut),
                ], in: nginx, address: Self.address)
            defer { peer.close() }
            let (resolver, clock, log) = (ScriptedResolver(), ManualTime(), LogRecorder())
            resolver.script(text: ["v=STSv1; id=1;"], at: "_mta-sts.site.test")
            resolver.script("mta-sts.site.test", type: .a, reply: .success(.records([[127, 0, 0, 4]])))
            let fetcher = try nginx.fetcher()
            let service = PolicyService(
                discovery: PolicyDiscovery(
                    resolver: resolver, fetcher: fetcher,
                    addressFilter: AddressFilter(allowing: [try #require(IPNetwork("127.0.0.0/8"))])),
                logger: log.logger(), now: { clock.now })
            let running = Task { await service.run() }
            let domain = try domain("site.test")
            guard case .changed(nil, let fetched) = await service.refresh(domain).outcome else {
                Issue.record("the whole policy is not accepted as new")
                return
            }
            let second = await service.refresh(domain)
            #expect(second.outcome == .fetchFailed(.fetch(Self.cut)))
            #expect(second.status == .policy(fetched))
            #expect(fetched.policy.maxAge == 5_184_000)
            running.cancel()
            await running.value
            await fetcher.close()
        }
    }
}
