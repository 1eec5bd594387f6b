import Glibc
import TextFormats

/// `cache.path`: the file that keeps policies when the daemon stops.
extension BridgeChecks {
    /// Octets. A million policies take some 350 million; SQLite's log may grow to a hundred million during a burst.
    private static let space = (scarce: UInt64(100_000_000), none: UInt64(10_000_000))

    var caches: [CheckResult] {
        guard let cache else {
            return [
                CheckResult(
                    .cache, severity: .warn,
                    meaning:
                        "cache.store is memory: a restart forgets all policies, and nothing is enforced until the next "
                        + "fetch.",
                    fixes: Fix(.configuration, line: "cache: { store: sqlite }"))
            ]
        }
        let problems = [place(cache)].compactMap { $0 } + modes(cache) + [space(cache)].compactMap { $0 }
        guard problems.isEmpty else { return problems }
        return [
            CheckResult(
                .cache, severity: .ok,
                meaning:
                    "\(UntrustedText.escaped(cache.path)) is writable for the daemon, and other users cannot read it.")
        ]
    }

    private func place(_ cache: CacheFileStatus) -> CheckResult? {
        let name = UntrustedText.escaped(CacheFileStatus.directory(of: cache.path))
        let user = cacheUser?.name ?? "the daemon's user"
        let make = Fix(.shell, line: "install -d -m 0750 -o \(cacheUser?.name ?? "sts-bridge") \(name)")
        switch cache.directory {
        case .missing:
            return CheckResult(
                .cache, severity: .warn,
                meaning:
                    "\(name) does not exist: the daemon creates it if it may, else it loses all policies when it stops.",
                fixes: make)
        case .inaccessible(let code):
            return CheckResult(
                .cache, severity: .unknown, meaning: "This user cannot see \(name): \(String(cString: strerror(code)))."
            )
        case .found(let facts) where facts.kind != .directory:
            return CheckResult(
                .cache, severity: .fail,
                meaning: "\(name) is not a directory: the daemon loses all policies when it stops.", fixes: make)
        case .found(let facts):
            guard let cacheUser else {
                return CheckResult(
                    .cache, severity: .unknown,
                    meaning: "It is unknown whether the daemon may write \(name): its user is unknown.")
            }
            // SQLite creates files beside the database, so the directory must be writable, too.
            let directory = [facts.grants(.write, to: cacheUser), facts.grants(.search, to: cacheUser)]
            let files = cache.files.flatMap { file in
                file.look.facts.map { [$0.grants(.read, to: cacheUser), $0.grants(.write, to: cacheUser)] } ?? [nil]
            }
            if (directory + files).contains(false) {
                return CheckResult(
                    .cache, severity: .fail,
                    meaning:
                        "User \(user) may not write \(directory.contains(false) ? name : UntrustedText.escaped(cache.path)): "
                        + "the daemon loses new policies when it stops.",
                    fixes: Fix(.shell, line: "chown -R \(user) \(name)"))
            }
            guard !(directory + files).contains(nil) else {
                return CheckResult(
                    .cache, severity: .unknown, meaning: "It is unknown whether \(user) may write \(name).")
            }
            return nil
        }
    }

    private func modes(_ cache: CacheFileStatus) -> [CheckResult] {
        cache.files.compactMap { path, look in
            guard let facts = look.facts, facts.mode & 0o007 != 0 else { return nil }
            let name = UntrustedText.escaped(path)
            return CheckResult(
                .cache, severity: .warn,
                meaning: "\(name) has mode \(facts.modeText): every user of this host may "
                    + (facts.mode & 0o002 != 0 ? "change the policies." : "read to which domains mail is sent."),
                fixes: Fix(.shell, line: "chmod 0640 \(name)"))
        }
    }

    private func space(_ cache: CacheFileStatus) -> CheckResult? {
        guard let free = cache.freeSpace, free < Self.space.scarce else { return nil }
        let megabytes = free / 1_000_000
        return CheckResult(
            .cache, severity: free < Self.space.none ? .fail : .warn,
            meaning:
                "\(megabytes) MB are free on the file system of \(UntrustedText.escaped(cache.path)): when it is full, the daemon keeps new "
                + "policies in memory only.")
    }
}
