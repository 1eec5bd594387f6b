import Glibc
import MTASTS

/// `cache.path`: where the policies outlive the daemon.
extension BridgeCheckup {
    /// Octets. A million policies take some 350 million; an SQLite log may grow to a hundred million while they come.
    private static let space = (scarce: UInt64(100_000_000), gone: UInt64(10_000_000))

    var caches: [Finding] {
        guard let cache else {
            return [
                Finding(
                    .cache, .warn,
                    "cache.store is memory: a restart forgets every policy, and with it the protection until the next "
                        + "fetch.",
                    Remedy(.configuration, "cache: { store: sqlite }"))
            ]
        }
        let troubles = [place(cache)].compactMap { $0 } + modes(cache) + [room(cache)].compactMap { $0 }
        guard troubles.isEmpty else { return troubles }
        return [Finding(.cache, .ok, "\(RemoteText.escaped(cache.path)) can be written, and others do not read it.")]
    }

    private func place(_ cache: CacheFacts) -> Finding? {
        let name = RemoteText.escaped(CacheFacts.directory(of: cache.path))
        let user = cacheUser?.name ?? "the daemon's user"
        let make = Remedy(.shell, "install -d -m 0750 -o \(cacheUser?.name ?? "sts-bridge") \(name)")
        switch cache.directory {
        case .missing:
            return Finding(
                .cache, .warn,
                "\(name) is not there: the daemon makes it if it may, else it forgets every policy when it ends.", make)
        case .hidden(let code):
            return Finding(.cache, .unknown, "\(name) is hidden from this user: \(String(cString: strerror(code))).")
        case .found(let facts) where facts.kind != .directory:
            return Finding(.cache, .fail, "\(name) is no directory: no policy outlives the daemon.", make)
        case .found(let facts):
            guard let cacheUser else {
                return Finding(
                    .cache, .unknown, "Whether the daemon may write \(name) is not known: who it runs as was not seen.")
            }
            // SQLite makes files beside the database, so the directory counts as much.
            let directory = [facts.grants(.write, to: cacheUser), facts.grants(.search, to: cacheUser)]
            let files = cache.files.flatMap { file in
                file.look.facts.map { [$0.grants(.read, to: cacheUser), $0.grants(.write, to: cacheUser)] } ?? [nil]
            }
            if (directory + files).contains(false) {
                return Finding(
                    .cache, .fail,
                    "User \(user) may not write \(directory.contains(false) ? name : RemoteText.escaped(cache.path)): "
                        + "no new policy outlives the daemon.", Remedy(.shell, "chown -R \(user) \(name)"))
            }
            guard !(directory + files).contains(nil) else {
                return Finding(.cache, .unknown, "Whether \(user) may write \(name) could not be seen.")
            }
            return nil
        }
    }

    private func modes(_ cache: CacheFacts) -> [Finding] {
        cache.files.compactMap { path, look in
            guard let facts = look.facts, facts.mode & 0o007 != 0 else { return nil }
            let name = RemoteText.escaped(path)
            return Finding(
                .cache, .warn,
                "\(name) has mode \(facts.modeText): everybody on this host may "
                    + (facts.mode & 0o002 != 0 ? "change the policies." : "read to whom mail is sent."),
                Remedy(.shell, "chmod 0640 \(name)"))
        }
    }

    private func room(_ cache: CacheFacts) -> Finding? {
        guard let free = cache.freeSpace, free < Self.space.scarce else { return nil }
        let megabytes = free / 1_000_000
        return Finding(
            .cache, free < Self.space.gone ? .fail : .warn,
            "\(megabytes) MB are free on the file system of \(RemoteText.escaped(cache.path)): when it is full, new "
                + "policies are kept in memory only.")
    }
}
