import Glibc
import Logging
import UnixSockets

extension LookupSettings {
    /// The users that may connect to unix sockets.
    var rights: SocketRights { SocketRights(mode: socketMode, group: socketGroup) }

    /// Gives a unix socket its mode and group. Logs a warning for a group that does not exist or that this user may not set:
    /// then no group has more rights than everybody.
    func applyRights(to path: String, logger: Logger) throws(SystemCallError) {
        let groupError = try rights.apply(to: path)
        let mode = String(rights.restrictedMode, radix: 8)
        switch groupError {
        case nil: break
        case .noSuchGroup:
            logger.warning(
                "unix socket group does not exist, no group gets rights: set listen.socket-group",
                metadata: ["path": "\(path)", "group": "\(socketGroup ?? "")", "mode": "0\(mode)"])
        case .notGiven(let code):
            logger.warning(
                "cannot give unix socket to its group, no group gets rights: run as root or as a member of the group",
                metadata: [
                    "path": "\(path)", "group": "\(socketGroup ?? "")", "mode": "0\(mode)",
                    "error": "\(String(cString: strerror(code)))",
                ])
        }
    }
}
