import AdminAPI
import ArgumentParser
import BridgeConfiguration
import Foundation
import Glibc
import PolicyCaching
import PolicyTransfer

struct CacheCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache",
        abstract: "Shows and changes the cache, and moves it to another host.",
        subcommands: [
            CacheListCommand.self, CacheShowCommand.self, CacheRefreshCommand.self, CacheForgetCommand.self,
            CacheExportCommand.self, CacheImportCommand.self,
        ])
}

struct CacheExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Exports the valid policies of the cache file as JSON lines.",
        discussion: """
            Reads the file at cache.path; the daemon may run at the same time. The export has each policy as it was \
            published and the time of its fetch, so the policy expires at the same time on the host that imports it.
              sts-bridge cache export policies.jsonl
            Exit code 3 if the cache file cannot be read or the export cannot be completed.
            """)

    @Argument(help: "The file to write. It appears when the export is complete. Default: standard output.")
    var file: String?
    @OptionGroup var options: ConfigurationOption
    @Flag(help: "Print the summary as JSON, on standard error.") var json = false

    func run() async throws {
        let configuration = try options.read()
        let cacheFiles = ["", "-wal", "-shm", ".lock"].map { configuration.cachePath + $0 }
        if let file, cacheFiles.contains(where: { isSameFile(file, as: $0) }) {
            throw CommandError(.usage, reason: "\(file) is the cache file; choose another file for the export")
        }
        let store = try configuration.openSQLiteStore(.readOnly)
        let output = try OutputFile(file)
        let summary: ExportSummary
        do throws(ExportError) {
            summary = try await PolicyExport(store, now: .current).run(to: { try output.write($0) }) {
                StandardError.write("not exported: \($0)")
            }
        } catch {
            throw CommandError(.unknown, reason: "\(error)")
        }
        await store.close()
        try output.complete()
        let counts = ["exported": summary.exported, "expired": summary.expired, "unreadable": summary.unreadable]
        StandardError.write(
            json
                ? try APIEncoding.text(counts, isIndented: true)
                : "exported \(summary.exported), skipped \(summary.expired) expired and \(summary.unreadable) unreadable"
        )
    }
}

struct CacheImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Imports policies that are newer than those in the cache file.",
        discussion: """
            The daemon may run at the same time; it uses the policies some seconds later. Each policy is checked like a \
            fetched one. It expires max_age after its original fetch, and does not replace a policy that was fetched \
            later. Import only from a trusted host: its policies apply. Run the command as root or as the daemon's user. \
            Files that root creates get the owner of the cache file or of its directory, or the group that may write \
            there:
              sudo sts-bridge cache import policies.jsonl
            Exit code 2 if the file is not a complete export or a line is invalid, 3 if the cache file cannot be written.
            """)

    @Argument(help: "The file to read. Default: standard input.") var file: String?
    @OptionGroup var options: ConfigurationOption
    @Flag(help: "Print the summary as JSON.") var json = false

    func run() async throws {
        let configuration = try options.read()
        try CacheDirectory.check(for: configuration)
        let store = try configuration.openSQLiteStore(.importing)
        let input = try InputFile(file)
        let summary: ImportSummary
        do {
            _ = try await store.open()
            summary = try await PolicyImport(into: store, now: .current).run(from: { try input.next() }) {
                StandardError.write("not imported: \($0)")
            }
        } catch let error as StoreError {
            throw CommandError(.unknown, reason: "\(error)")
        } catch let error as IncompleteImportError {
            await store.close()
            throw CommandError(error.cause.status, reason: "\(error)")
        }
        await store.close()
        let counts = [
            "imported": summary.imported, "expired": summary.expired, "older": summary.older,
            "rejected": summary.refused,
        ]
        print(
            json
                ? try APIEncoding.text(counts, isIndented: true)
                : "imported \(summary.imported), skipped \(summary.older) not newer than in the cache and "
                    + "\(summary.expired) expired, rejected \(summary.refused)")
        if summary.refused > 0 { throw ExitCode(ExitStatus.usage.rawValue) }
    }
}

/// The directory of the cache file.
private enum CacheDirectory {
    /// Checks that an import by root does not create the directory: it would belong to root, and the daemon's user is
    /// unknown here.
    ///
    /// - Throws: `CommandError` with the command that creates it, if this process is root and the directory is missing.
    static func check(for configuration: Configuration) throws(CommandError) {
        let directory = URL(filePath: configuration.cachePath).deletingLastPathComponent().path
        guard configuration.store == .sqlite, geteuid() == 0, !FileManager.default.fileExists(atPath: directory)
        else { return }
        throw CommandError(
            .usage,
            reason:
                "\(directory) does not exist, and a directory of root would be unusable for the daemon; create it for the "
                + "daemon's user first: install -d -m 0750 -o sts-bridge -g sts-bridge \(directory)")
    }
}

extension ImportError {
    fileprivate var status: ExitStatus {
        switch self {
        case .store, .source, .clock: .unknown
        case .noStore, .empty, .header, .otherFormat, .otherVersion, .fromTheFuture, .truncated, .miscounted,
            .lineAfterTrailer:
            .usage
        }
    }
}
