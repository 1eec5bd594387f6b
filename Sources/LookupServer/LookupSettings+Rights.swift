import Glibc
import Logging
import UnixSockets

extension LookupSettings {
    /// Who may connect to unix sockets.
    var rights: SocketRights { SocketRights(mode: socketMode, group: socketGroup) }

    /// Gives a unix socket its mode and group. A group that does not exist, or that this user may not give, is a warning:
    /// the socket then gives no group more than everybody has.
    func applyRights(to path: String, logger: Logger) throws(ListenFailure.Reason) {
        let problem: SocketRights.GroupProblem?
        do {
            problem = try rights.apply(to: path)
        } catch {
            throw .system(error.code)
        }
        let mode = String(rights.restrictedMode, radix: 8)
        switch problem {
        case nil: break
        case .noSuchGroup:
            logger.warning(
                "group of the unix socket does not exist, no group gets rights: set listen.socket-group",
                metadata: ["path": "\(path)", "group": "\(socketGroup ?? "")", "mode": "0\(mode)"])
        case .notGiven(let code):
            logger.warning(
                "unix socket not given to its group, no group gets rights: run as root or as a member of the group",
                metadata: [
                    "path": "\(path)", "group": "\(socketGroup ?? "")", "mode": "0\(mode)",
                    "error": "\(String(cString: strerror(code)))",
                ])
        }
    }
}
