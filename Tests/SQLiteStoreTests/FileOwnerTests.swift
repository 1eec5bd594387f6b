import Foundation
import Glibc
import MTASTS
import TestSupport
import Testing

@testable import SQLiteStore

/// What root makes can be used by the daemon, as whatever user that runs.
@Suite struct FileOwnerTests {
    private static let root = FileOwner.Rights(user: 0, group: 0, mode: 0o755)
    private static let daemon = FileOwner.Rights(user: 65_534, group: 65_533, mode: 0o750)
    private static let shared = FileOwner.Rights(user: 0, group: 65_533, mode: 0o2770)

    @Test(arguments: [
        (root, nil, FileOwner.unchanged), (root, root, .unchanged),
        // The file of a daemon shows its user, whatever the owner of the directory is.
        (root, daemon, .user(65_534, group: 65_533)), (shared, daemon, .user(65_534, group: 65_533)),
        (daemon, nil, .user(65_534, group: 65_533)), (daemon, root, .user(65_534, group: 65_533)),
        (FileOwner.Rights(user: 1, group: 1, mode: 0o750), daemon, .user(65_534, group: 65_533)),
        (shared, nil, .group(65_533)), (shared, root, .group(65_533)),
        (FileOwner.Rights(user: 0, group: 65_533, mode: 0o2750), nil, .unchanged),
        (FileOwner.Rights(user: 0, group: 0, mode: 0o1777), nil, .unchanged),
    ])
    func `a new file belongs to the database's owner, to the directory's, or to its group`(
        directory: FileOwner.Rights, database: FileOwner.Rights?, owner: FileOwner
    ) {
        #expect(FileOwner.ofFile(in: directory, beside: database) == owner)
    }

    @Test(arguments: [
        (daemon, nil, FileOwner.user(65_534, group: 65_533)),
        (daemon, FileOwner.user(1, group: 2), .user(65_534, group: 65_533)),
        (root, nil, .unchanged), (root, FileOwner.user(1, group: 2), .user(1, group: 2)),
        (shared, nil, .group(65_533)), (shared, FileOwner.user(1, group: 2), .user(1, group: 2)),
    ])
    func `a new directory belongs to the owner of the one above, or to the account that the packages make`(
        parent: FileOwner.Rights, account: FileOwner?, owner: FileOwner
    ) {
        #expect(FileOwner.ofDirectory(in: parent, account: account) == owner)
    }

    @Test(
        .enabled(if: geteuid() == 0, "only root makes files for others"),
        arguments: [
            (FileOwner.Rights(user: 0, group: 65_533, mode: 0o2770), true),
            (FileOwner.Rights(user: 0, group: 65_533, mode: 0o2770), false),
            (FileOwner.Rights(user: 65_534, group: 65_533, mode: 0o750), false),
        ])
    func `after root the daemon's user opens and writes the store`(
        directory: FileOwner.Rights, hasDatabase: Bool
    ) async throws {
        let fixture = try StoreFixture()
        if hasDatabase {
            try await fixture.leave(try StoreContract.sample("first.example"))
            try fixture.remove(".lock")
            try #require(chown(fixture.path, 65_534, 65_533) == 0)
        }
        try #require(chown(fixture.directory, directory.user, directory.group) == 0)
        try #require(chmod(fixture.directory, directory.mode) == 0)
        try await fixture.leave(try StoreContract.sample("there.example"))
        let path = fixture.path
        await #expect(processExitsWith: .success) { [path = path as String] in
            try #require(setgroups(0, nil) == 0 && setgid(65_533) == 0 && setuid(65_534) == 0)
            let store = try SQLitePolicyStore(path: path)
            _ = try await store.open()
            try await store.keep(try StoreContract.sample("here.example"))
            await store.close()
        }
        #expect(try await fixture.store().loaded().count == (hasDatabase ? 3 : 2))
    }
}
