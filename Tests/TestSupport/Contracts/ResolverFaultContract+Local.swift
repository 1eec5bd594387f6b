import Discovery
import Glibc

/// Failures of this host.
extension ResolverFaultContract {
    /// An address of TEST-NET-1 (RFC 5737).
    private static let unroutable = "192.0.2.1"
    private static let routeViolation = "there is a route to \(unroutable): run this in Tests/in-namespace"

    /// Without a route to the only server a question fails with a local cause. Time-out 1 s, factor 0.2. Needs a host
    /// without a default route, as in Tests/in-namespace.
    package func noRoute() async throws -> [String] {
        guard !Self.hasRoute() else { return [Self.routeViolation] }
        return try await withClient([Self.unroutable], timeout: .seconds(1)) { client in
            var violations: [String] = []
            let result = await client.ask("a.test")
            violations.demand(result.isLocal, result.summary)
            violations.demandEnd(result, timeout: .seconds(1))
            return violations
        }
    }

    /// Without a route to the first server the second one answers. Time-out 2 s.
    package func noRouteToFirstServer() async throws -> [String] {
        guard !Self.hasRoute() else { return [Self.routeViolation] }
        let server = try FaultyDNSServer(behavior: DNSBehavior.byName)
        return try await withClient([Self.unroutable, server.address], timeout: .seconds(2)) { client in
            var violations: [String] = []
            for number in 0..<10 {
                violations.demandEcho(await client.ask("n\(number).test"), within: .milliseconds(500))
            }
            return violations
        }
    }

    /// Without a free descriptor a question is answered or fails with a local cause, and the next one after that succeeds.
    /// Time-out 1 s. Lowers the process's limit meanwhile: for a process without other tests.
    package func noDescriptors() async throws -> [String] {
        let server = try FaultyDNSServer(behavior: DNSBehavior.byName)
        return try await withClient([server], timeout: .seconds(1)) { client in
            var violations: [String] = []
            violations.demandEcho(await client.ask("before.fine.test"))
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var lowered = limit
            lowered.rlim_cur = try Self.firstFreeDescriptor()
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &lowered)
            let results = await client.ask(all: (0..<20).map { "n\($0).fine.test" })
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            for result in results {
                violations.demand(result.isEcho || result.isLocal, result.summary)
                violations.demandEnd(result, timeout: .seconds(1))
            }
            violations.demandEcho(await client.ask("after.fine.test"))
            return violations
        }
    }

    private static func firstFreeDescriptor() throws -> rlim_t {
        let descriptor = open("/dev/null", O_RDONLY)
        guard descriptor >= 0 else { throw SocketError(step: "open /dev/null", code: errno) }
        close(descriptor)
        return rlim_t(descriptor)
    }

    private static func hasRoute() -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        guard let address = ServerSockets.address(unroutable) else { return false }
        var name = sockaddr_in(address, port: 53)
        return withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

extension AskResult {
    fileprivate var isLocal: Bool {
        guard case .failure(let failure) = outcome else { return false }
        return failure.isLocal
    }
}
