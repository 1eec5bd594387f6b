import DNSClient
import Logging
import ServiceLifecycle
import UnboundDNS

/// Follows changes of /etc/resolv.conf: DHCP, systemd-resolved and boot order replace the DNS servers of a running daemon.
///
/// Concurrency: one task. The file is looked at every 2 s by stat(2), and read only when it has changed.
/// Errors: an unreadable file changes nothing and is logged once. Zone keys that cannot be forgotten are tried again at the
/// next look.
/// Not here: `dns.servers`, which a reload changes.
struct NameServerWatch: Service {
    /// The upstream in force; `nil`: its servers are configured, and the file does not count.
    let upstream: @Sendable () -> Upstream?
    let logger: Logger
    var path = NameServer.systemPath
    var forgetKeys: @Sendable (Upstream) throws(UnboundSetupFailure) -> Void = { upstream throws(UnboundSetupFailure) in
        try upstream.forgetKeys()
    }
    var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    private static let interval = Duration.seconds(2)

    /// What the last look found.
    private struct State {
        var version: FileVersion?
        /// The transport whose servers were compared with the file.
        var transport: DNSTransport?
        var isUnreadable = false
        /// The file listed no server: it may be about to be written.
        var listsNone = false
        /// The servers have changed, and the zone keys that were fetched from the old ones are still there.
        var hasOldKeys = false
        var isKeyErrorLogged = false
    }

    func run() async throws {
        var state = State()
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            if let upstream = upstream() {
                look(&state, upstream)
                forgetKeys(&state, upstream)
            } else {
                state = State()
            }
            try? await cancelWhenGracefulShutdown { try await sleep(Self.interval) }
        }
    }

    private func look(_ state: inout State, _ upstream: Upstream) {
        let version = FileVersion(of: path)
        // A new transport may have read the file before its last change.
        let isSettled = version == state.version && upstream.transport === state.transport
        guard !isSettled || state.isUnreadable || state.listsNone else { return }
        state.version = version
        state.transport = upstream.transport
        do throws(NameServer.Unreadable) {
            let servers = try NameServer.systemOrLocalHost(path: path)
            state.isUnreadable = false
            // A file that lists none counts when it does so twice: programs empty it before they write it.
            let waits = NameServer.areNoneListed(path: path) && !state.listsNone
            state.listsNone = waits
            guard !waits, servers != upstream.servers else { return }
            upstream.update(servers: servers)
            state.hasOldKeys = true
            let list = servers.map(\.description).joined(separator: ",")
            logger.notice("DNS servers changed", metadata: ["servers": "\(list)", "path": "\(path)"])
        } catch {
            if !state.isUnreadable {
                logger.warning(
                    "resolv.conf cannot be read, the old DNS servers stay", metadata: ["reason": "\(error)"])
            }
            state.isUnreadable = true
        }
    }

    private func forgetKeys(_ state: inout State, _ upstream: Upstream) {
        guard state.hasOldKeys else { return }
        do throws(UnboundSetupFailure) {
            try forgetKeys(upstream)
            state.hasOldKeys = false
            state.isKeyErrorLogged = false
        } catch {
            guard !state.isKeyErrorLogged else { return }
            state.isKeyErrorLogged = true
            logger.warning(
                "DNSSEC keys from the old DNS servers are still used, trying again", metadata: ["reason": "\(error)"])
        }
    }
}
