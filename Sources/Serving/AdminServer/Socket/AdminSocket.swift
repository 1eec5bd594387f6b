import Foundation
import Glibc
import Logging
import Synchronization
import UnixSockets

/// The unix socket of the operator's API, for its owner, root and at most one group.
///
/// Concurrency: any thread.
/// Errors: `AdminSocketError`. A group that cannot be set is a warning in the log.
/// Security: the socket is bound in a new directory that only its owner may enter, gets its group and mode there, and is
/// then renamed to its path. At no time is it open to more users. (A umask would change the whole process.)
package final class AdminSocket: Sendable {
    private struct State {
        var rights: SocketRights
        /// The socket that this process put at `path`; `nil`: none yet.
        var file: FileIdentity?
        /// Streams that get an element for each `update`, by number.
        var observers: [UInt64: AsyncStream<Void>.Continuation] = [:]
        var lastObserver: UInt64 = 0
    }

    /// Absolute.
    package let path: String
    private let state: Mutex<State>

    /// - Parameter group: may connect besides the owner and root; `nil`: no group.
    package init(path: String, group: String?) {
        self.path = path
        state = Mutex(State(rights: Self.rights(group)))
    }

    private static func rights(_ group: String?) -> SocketRights {
        SocketRights(mode: group == nil ? 0o600 : 0o660, group: group)
    }

    /// Lets this group connect and no other, and corrects a mode that was changed on disk. It leaves a file alone that is
    /// not this process's socket. `AdminService` opens a missing socket again at once.
    package func update(group: String?, logger: Logger) {
        let (rights, file, observers) = state.withLock { state in
            state.rights = Self.rights(group)
            return (state.rights, state.file, state.observers.values)
        }
        defer { for observer in observers { observer.yield() } }
        guard let file, FileIdentity(path) == file else { return }
        do {
            try apply(rights, to: path, logger: logger)
        } catch {
            logger.warning(
                "cannot set the mode of the admin socket",
                metadata: ["path": "\(path)", "error": "\(String(cString: strerror(error.code)))"])
        }
    }

    /// Yields for each `update` from now on; several without a reader become one.
    func updates() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state in
            state.lastObserver += 1
            state.observers[state.lastObserver] = continuation
            return state.lastObserver
        }
        continuation.onTermination = { [weak self] _ in self?.state.withLock { $0.observers[number] = nil } }
        return stream
    }

    /// Whether clients can connect neither to this process nor to another one, because the socket's file was removed or
    /// replaced. Another process that started later has the path until it ends.
    var hasLostFile: Bool {
        guard let file = state.withLock(\.file) else { return false }
        return UnixSocketFile(path: path).hasLost(file)
    }

    /// Where to bind the socket, before `publish` renames it.
    struct PendingSocket {
        fileprivate let directory: String
        var path: String { "\(directory)/\(UnixSocketFile.nameInTemporaryDirectory)" }
    }

    /// - Throws: `AdminSocketError` if a process of another user listens at `path`, another kind of file is there, or this user may
    ///   not write the directory.
    func prepare() throws(AdminSocketError) -> PendingSocket {
        try checkPath()
        var template = Array((path + UnixSocketFile.temporaryDirectoryPattern.dropLast()).utf8CString)
        guard mkdtemp(&template) != nil else { throw failure(.system(errno)) }
        return PendingSocket(directory: String(decoding: template.dropLast().map(UInt8.init), as: UTF8.self))
    }

    /// Gives the bound socket its group and mode, and renames it to `path`.
    func publish(_ pending: PendingSocket, logger: Logger) throws(AdminSocketError) {
        do {
            try apply(state.withLock(\.rights), to: pending.path, logger: logger)
        } catch {
            throw failure(.system(error.code))
        }
        // Read before the rename: at its path another process may remove or replace it.
        guard let file = FileIdentity(pending.path) else { throw failure(.system(ENOENT)) }
        guard rename(pending.path, path) == 0 else { throw failure(.system(errno)) }
        rmdir(pending.directory)
        state.withLock { $0.file = file }
    }

    /// Removes a socket that was never published.
    func discard(_ pending: PendingSocket) {
        unlink(pending.path)
        rmdir(pending.directory)
    }

    /// Removes the socket, if the file is still the one that this process made.
    func remove() {
        let file = state.withLock { state in
            defer { state.file = nil }
            return state.file
        }
        if let file, FileIdentity(path) == file { unlink(path) }
    }

    /// Logs a warning for a group that does not exist or that this user may not set: then only the owner and root may
    /// connect.
    private func apply(_ rights: SocketRights, to path: String, logger: Logger) throws(SystemCallError) {
        let name = "\(self.path)"
        switch try rights.apply(to: path) {
        case nil: break
        case .noSuchGroup:
            logger.warning(
                "admin socket group does not exist, only root and the owner may connect: set admin.socket-group",
                metadata: ["path": "\(name)", "group": "\(rights.group ?? "")"])
        case .notGiven(let code):
            logger.warning(
                "cannot give admin socket to its group, only root and the owner may connect: run as root or as a member",
                metadata: [
                    "path": "\(name)", "group": "\(rights.group ?? "")",
                    "error": "\(String(cString: strerror(code)))",
                ])
        }
    }

    /// Refuses a path where a process of another user listens, or where another kind of file is. A process of this user
    /// is an earlier daemon, whose place this one takes.
    private func checkPath() throws(AdminSocketError) {
        guard path.utf8.count <= UnixSocketFile.maximumPathWithDirectory else { throw failure(.system(ENAMETOOLONG)) }
        let occupant: UnixSocketFile.Occupant
        do throws(SystemCallError) {
            occupant = try UnixSocketFile(path: path).occupant()
        } catch {
            throw failure(.system(error.code))
        }
        switch occupant {
        case .nothing, .unusedSocket, .servedSocket(isOurs: true): return
        case .servedSocket(isOurs: false): throw failure(.alreadyServed)
        case .otherFile: throw failure(.notASocket)
        }
    }

    private func failure(_ reason: AdminSocketError.Reason) -> AdminSocketError {
        AdminSocketError(path: path, reason: reason)
    }
}

/// Why the admin socket cannot be opened.
package struct AdminSocketError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        case system(Int32)
        case alreadyServed
        case notASocket
    }

    package let path: String
    package let reason: Reason

    /// What failed, why, and what to do.
    package var description: String {
        let cause =
            switch reason {
            case .alreadyServed:
                "a process of another user listens on it; stop that process, or set admin.socket to another path"
            case .notASocket: "the file is not a socket; remove it, or set admin.socket to another path"
            case .system(let code): "\(String(cString: strerror(code)))\(Self.advice(for: code))"
            }
        return "\(path): \(cause)"
    }

    private static func advice(for code: Int32) -> String {
        switch code {
        case ENOENT: "; create its directory, or set admin.socket to another path"
        case EACCES, EPERM, EROFS: "; let this user write the directory, or set admin.socket to another path"
        case ENAMETOOLONG: "; a socket's path has at most \(UnixSocketFile.maximumPathWithDirectory) octets"
        default: ""
        }
    }
}
