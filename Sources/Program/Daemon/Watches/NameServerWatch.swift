import DNSClient
import Logging
import ServiceLifecycle
import UnboundDNS

/// Follows changes of /etc/resolv.conf: DHCP and systemd-resolved can replace the DNS servers of a running daemon.
///
/// Concurrency: one task. It calls stat(2) every 2 s, and reads the file only after a change.
/// Errors: an unreadable file changes nothing and is logged once. If zone keys cannot be forgotten, the next check tries
/// again.
/// Not here: `dns.servers`, which a reload changes.
struct NameServerWatch: Service {
    /// The current upstream; `nil`: `dns.servers` is set, so the file does not matter.
    let upstream: @Sendable () -> Upstream?
    let logger: Logger
    var path = NameServer.systemPath
    var forgetKeys: @Sendable (Upstream) throws(UnboundSetupError) -> Void = { upstream throws(UnboundSetupError) in
        try upstream.forgetKeys()
    }
    var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    private static let interval = Duration.seconds(2)

    /// The result of the last check.
    private struct State {
        var version: FileVersion?
        /// The transport whose servers were last compared with the file.
        var transport: DNSTransport?
        var isUnreadable = false
        /// The file listed no server. A program may be writing it.
        var listsNone = false
        /// The servers have changed, and zone keys from the old ones are still in use.
        var hasOldKeys = false
        var isKeyErrorLogged = false
    }

    func run() async throws {
        var state = State()
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            if let upstream = upstream() {
                check(upstream, state: &state)
                forgetOldKeys(of: upstream, state: &state)
            } else {
                state = State()
            }
            try? await cancelWhenGracefulShutdown { try await sleep(Self.interval) }
        }
    }

    private func check(_ upstream: Upstream, state: inout State) {
        let version = FileVersion(of: path)
        // A new transport may have read the file before the last change.
        let isUnchanged = version == state.version && upstream.transport === state.transport
        guard !isUnchanged || state.isUnreadable || state.listsNone else { return }
        state.version = version
        state.transport = upstream.transport
        do throws(NameServer.FileError) {
            let servers = try NameServer.systemOrLocalHost(path: path)
            state.isUnreadable = false
            // A file without servers counts only at the second check: programs truncate it before they write it.
            let waits = NameServer.listsNoServers(path: path) && !state.listsNone
            state.listsNone = waits
            guard !waits, servers != upstream.servers else { return }
            upstream.update(servers: servers)
            state.hasOldKeys = true
            let list = servers.map(\.description).joined(separator: ",")
            logger.notice("DNS servers changed", metadata: ["servers": "\(list)", "path": "\(path)"])
        } catch {
            if !state.isUnreadable {
                logger.warning(
                    "cannot read resolv.conf, keeping the old DNS servers", metadata: ["reason": "\(error)"])
            }
            state.isUnreadable = true
        }
    }

    private func forgetOldKeys(of upstream: Upstream, state: inout State) {
        guard state.hasOldKeys else { return }
        do throws(UnboundSetupError) {
            try forgetKeys(upstream)
            state.hasOldKeys = false
            state.isKeyErrorLogged = false
        } catch {
            guard !state.isKeyErrorLogged else { return }
            state.isKeyErrorLogged = true
            logger.warning(
                "cannot drop DNSSEC keys from the old DNS servers, trying again", metadata: ["reason": "\(error)"])
        }
    }
}
