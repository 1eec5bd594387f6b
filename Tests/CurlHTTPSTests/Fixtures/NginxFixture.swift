import Discovery
import Foundation
import Testing

@testable import CurlHTTPS

/// A real nginx with real certificates on one loopback port, in a temporary directory, for a suite and its subsuites.
///
/// All policy hosts are on one port, since a fetcher has one port: 127.0.0.1 and [::1] offer HTTP/2 and HTTP/1.1,
/// `onlyHTTP1` HTTP/1.1 only, `onlyOldTLS` TLS 1.1 only. Other loopback addresses refuse connections.
final class NginxFixture: Sendable {
    @TaskLocal static var current: NginxFixture?

    static let general = "127.0.0.1"
    static let onlyHTTP1 = "127.0.0.2"
    static let onlyOldTLS = "127.0.0.3"
    static let dead = "127.0.0.9"

    let directory: URL
    let port: UInt16
    let certificates: CertificateFactory
    private let backends: [String: TestPeer]
    private let nginx: Process
    /// nginx ends when the other end of this pipe is closed, also by the end of the test process.
    private let leash: Pipe

    static func open() throws -> NginxFixture {
        let directory = FileManager.default.temporaryDirectory.appending(path: "sts-bridge-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        do {
            let workshop = CertificateFactory(directory: directory)
            try workshop.open()
            try workshop.make(.general)
            for recipe in certificateCases.map(\.recipe) { try workshop.make(recipe) }
            return try NginxFixture(directory, certificates: workshop)
        } catch {
            try FileManager.default.removeItem(at: directory)
            throw error
        }
    }

    private init(_ directory: URL, certificates workshop: CertificateFactory) throws {
        self.directory = directory
        certificates = workshop
        port = try TestPeer.freePort()
        let page = { (head: String) in Array("HTTP/1.1 \(head)\r\n\r\n".utf8) }
        let filler = [UInt8](repeating: UInt8(ascii: "x"), count: 4_096)
        backends = [
            "endless": try TestPeer(.saysForEver(page("200 OK\r\nContent-Type: text/plain"), then: filler)),
            "endless-error": try TestPeer(.saysForEver(page("500 Oops\r\nContent-Type: text/plain"), then: filler)),
            "slow-error": try TestPeer(.saysAndStays(page("404 Gone\r\nContent-Length: 100") + filler.prefix(50))),
            "cut-short": try TestPeer(.says(page("200 OK\r\nContent-Length: 100") + filler.prefix(50))),
            "untyped": try TestPeer(.says(page("200 OK\r\nContent-Length: 2") + Array("ok".utf8))),
        ]
        try NginxConfiguration(
            directory: directory, port: port, certificates: workshop, backends: backends.mapValues(\.port)
        ).write()
        nginx = Process()
        leash = Pipe()
        try start()
    }

    /// nginx goes to the background when it listens; then the shell reports it.
    private func start() throws {
        let script = """
            nginx -p '\(directory.path)' -c nginx.conf -e error.log || exit 1
            echo up
            read -r _
            kill -TERM "$(cat nginx.pid)"
            """
        let answer = Pipe()
        nginx.executableURL = URL(filePath: "/bin/sh")
        nginx.arguments = ["-c", script]
        nginx.currentDirectoryURL = directory
        nginx.standardInput = leash
        nginx.standardOutput = answer
        try nginx.run()
        let isUp = answer.fileHandleForReading.availableData == Data("up\n".utf8)
        guard isUp else {
            let errors = try? String(contentsOf: directory.appending(path: "error.log"), encoding: .utf8)
            throw Command.CommandError(description: "nginx does not start: \(errors ?? "it says nothing")")
        }
    }

    func close() throws {
        try leash.fileHandleForWriting.close()
        nginx.waitUntilExit()
        for backend in backends.values { backend.close() }
        try FileManager.default.removeItem(at: directory)
    }

    /// A fetcher with the trusted root and the port of nginx.
    func fetcher(
        timeout: Duration = .seconds(20), trust: CATrust? = nil, maximumInFlight: Int = 64,
        onLoadChange: @escaping @Sendable (FetchLoadChange) -> Void = { _ in }
    ) throws -> CurlFetcher {
        try CurlFetcher(
            CurlFetcherConfiguration(
                timeout: timeout, trust: trust ?? .file(certificates.root), maximumInFlight: maximumInFlight,
                userAgent: "sts-bridge-test (+https://example.test/)", port: port),
            onLoadChange: onLoadChange)
    }

    /// The result of a new fetcher, which is closed afterwards.
    func get(
        _ host: String, at addresses: [String] = [NginxFixture.general], timeout: Duration = .seconds(20),
        trust: CATrust? = nil
    ) async throws -> Result<PolicyResponse, FetchError> {
        let fetcher = try fetcher(timeout: timeout, trust: trust)
        let result = await fetcher.result(try PolicyRequest(nginx: host, at: addresses))
        await fetcher.close()
        return result
    }

    /// The access log so far.
    func log() throws -> String {
        try String(contentsOf: directory.appending(path: "access.log"), encoding: .utf8)
    }
}

extension PolicyRequest {
    /// - Parameter domain: The policy domain; `nil` means `host`.
    init(
        nginx host: String, at addresses: [String] = [NginxFixture.general], domain: String? = nil,
        purpose: FetchPurpose = .firstContact
    ) throws {
        self.init(
            host: host, url: "https://\(host)/.well-known/mta-sts.txt",
            addresses: try addresses.map { try #require(IPAddress($0)) }, domain: domain ?? host, purpose: purpose)
    }
}

extension CurlFetcher {
    func result(_ request: PolicyRequest) async -> Result<PolicyResponse, FetchError> {
        do throws(FetchError) {
            return .success(try await fetch(request))
        } catch {
            return .failure(error)
        }
    }
}

extension Result<PolicyResponse, FetchError> {
    var failure: FetchError? {
        if case .failure(let failure) = self { failure } else { nil }
    }

    var text: String? {
        if case .success(let response) = self { String(decoding: response.body, as: UTF8.self) } else { nil }
    }
}

/// Starts nginx for a suite and everything in it.
struct NginxFixtureTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let nginx = try NginxFixture.open()
        do {
            try await NginxFixture.$current.withValue(nginx, operation: function)
        } catch {
            try nginx.close()
            throw error
        }
        try nginx.close()
    }
}

extension Trait where Self == NginxFixtureTrait {
    static var nginx: Self { Self() }
}

/// One nginx for all suites that need one. One test at a time: some measure time, one counts descriptors.
@Suite(.nginx, .serialized, .timeLimit(.minutes(5)))
struct AgainstNginx {}
