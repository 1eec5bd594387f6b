import Glibc
import Logging

extension LookupSettings {
    /// Gives a unix socket its mode and group. A group that is missing, or not ours to give, is a warning: the socket
    /// is then less reachable, never more.
    func applyRights(to path: String, logger: Logger) throws(ListenFailure.Reason) {
        if let socketGroup {
            if let id = Self.groupID(of: socketGroup) {
                if chown(path, uid_t.max, id) != 0 {
                    logger.warning(
                        "cannot give the unix socket to its group: run as root or as a member of it",
                        metadata: [
                            "path": "\(path)", "group": "\(socketGroup)",
                            "error": "\(String(cString: strerror(errno)))",
                        ])
                }
            } else {
                logger.warning(
                    "group of the unix socket does not exist: set listen.socket-group",
                    metadata: ["path": "\(path)", "group": "\(socketGroup)"])
            }
        }
        guard chmod(path, mode_t(socketMode)) == 0 else { throw .system(errno) }
    }

    private static func groupID(of name: String) -> gid_t? {
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        guard getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
        return entry.gr_gid
    }
}
