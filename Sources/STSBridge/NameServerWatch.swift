import DNSClient
import Glibc
import Logging
import ServiceLifecycle

/// Follows changes of /etc/resolv.conf: DHCP, systemd-resolved and boot order replace the DNS servers of a running daemon.
///
/// Concurrency: one task. The file is looked at every 2 s by stat(2), and read only when it has changed.
/// Errors: an unreadable file changes nothing and is logged once.
/// Not here: `dns.servers`, which a reload changes.
struct NameServerWatch: Service {
    /// The upstream in force; `nil`: its servers are configured, and the file does not count.
    let upstream: @Sendable () -> Upstream?
    let logger: Logger
    var path = NameServer.systemPath
    var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    private static let interval = Duration.seconds(2)

    func run() async throws {
        var last = FileVersion(of: path)
        var isUnreadable = false
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            let version = FileVersion(of: path)
            if version != last || isUnreadable {
                last = version
                isUnreadable = !follow(wasUnreadable: isUnreadable)
            }
            try? await cancelWhenGracefulShutdown { try await sleep(Self.interval) }
        }
    }

    /// - Returns: whether the file could be read.
    private func follow(wasUnreadable: Bool) -> Bool {
        guard let upstream = upstream() else { return true }
        do throws(NameServer.Unreadable) {
            let servers = try NameServer.systemOrLocalHost(path: path)
            guard servers != upstream.servers else { return true }
            upstream.use(servers)
            let list = servers.map(\.description).joined(separator: ",")
            logger.notice("DNS servers changed", metadata: ["servers": "\(list)", "path": "\(path)"])
            return true
        } catch {
            if !wasUnreadable {
                logger.warning(
                    "resolv.conf cannot be read, the old DNS servers stay", metadata: ["reason": "\(error)"])
            }
            return false
        }
    }
}

/// What tells two versions of a file apart.
private struct FileVersion: Equatable {
    let device: dev_t
    let inode: ino_t
    let size: off_t
    let seconds: Int
    let nanoseconds: Int

    /// `nil`: there is no file.
    init?(of path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = status.st_dev
        inode = status.st_ino
        size = status.st_size
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }
}
