import ArgumentParser
import Foundation
import Glibc
import PolicyService
import PolicyTransfer

struct CacheCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache",
        abstract: "Shows and steers what is remembered, and carries it from one host to another.",
        subcommands: [
            CacheListCommand.self, CacheShowCommand.self, CacheRefreshCommand.self, CacheForgetCommand.self,
            CacheExportCommand.self, CacheImportCommand.self,
        ])
}

struct CacheExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes the living policies of the cache file as JSON lines.",
        discussion: """
            Reads the file at cache.path; the daemon may run meanwhile. The policies are written as they were \
            published, with the time of their fetch, so that none lives longer where they are imported.
              sts-bridge cache export policies.jsonl
            Exit code 3 when the cache could not be read or the export not be written to its end.
            """)

    @Argument(help: "Where to write; it is replaced when the export is complete. Default: standard output.")
    var file: String?
    @OptionGroup var options: ConfigurationOption
    @Flag(help: "Print the summary as JSON, on standard error.") var json = false

    func run() async throws {
        let configuration = try options.read()
        let ours = ["", "-wal", "-shm", ".lock", ".lock.heir"].map { configuration.cachePath + $0 }
        if let file, ours.contains(where: { isSameFile(file, $0) }) {
            throw CommandFailure(.usage, "\(file) is the cache itself; name another file to write to")
        }
        let archive = try configuration.openSQLiteArchive(.readOnly)
        let output = try OutputFile(file)
        let summary: ExportSummary
        do throws(ExportFailure) {
            summary = try await PolicyExport(archive, now: .current).run(to: { try output.write($0) }) {
                StandardError.tell("not exported: \($0)")
            }
        } catch {
            throw CommandFailure(.unknown, "\(error)")
        }
        await archive.close()
        try output.complete()
        let counts = ["exported": summary.exported, "expired": summary.expired, "unreadable": summary.unreadable]
        StandardError.tell(
            json
                ? try JSONText.encode(counts)
                : "exported \(summary.exported), left out \(summary.expired) expired and \(summary.unreadable) unreadable"
        )
    }
}

struct CacheImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Takes in an export, as far as it knows better than the cache file.",
        discussion: """
            The daemon that uses the file must not run. Each policy is checked as if it had just been fetched; it \
            lives until its max_age after its real fetch is over, and replaces nothing that was fetched later. The \
            host that wrote the export is trusted: its policies are applied. As root, or as the daemon's user; what \
            root makes gets the owner of the cache file or of its directory, or the group that may write there:
              sudo sts-bridge cache import policies.jsonl
            Exit code 2 when the file is no complete export or a line was refused, 3 when the cache cannot be written.
            """)

    @Argument(help: "What to read. Default: standard input.") var file: String?
    @OptionGroup var options: ConfigurationOption
    @Flag(help: "Print the summary as JSON.") var json = false

    func run() async throws {
        let configuration = try options.read()
        try CacheDirectory.refuseToMake(for: configuration)
        let archive = try configuration.openSQLiteArchive(.readWrite)
        let input = try InputFile(file)
        let summary: ImportSummary
        do {
            _ = try await archive.open()
            summary = try await PolicyImport(into: archive, now: .current).run(from: { try input.next() }) {
                StandardError.tell("not imported: \($0)")
            }
        } catch let failure as ArchiveFailure {
            throw CommandFailure(.unknown, "\(failure)")
        } catch let failure as ImportFailure {
            await archive.close()
            throw CommandFailure(failure.status, "\(failure)")
        }
        await archive.close()
        let counts = [
            "imported": summary.imported, "expired": summary.expired, "older": summary.older,
            "refused": summary.refused,
        ]
        print(
            json
                ? try JSONText.encode(counts)
                : "imported \(summary.imported), left out \(summary.older) no newer than those kept and "
                    + "\(summary.expired) expired, refused \(summary.refused)")
        if summary.refused > 0 { throw ExitCode(ExitStatus.usage.rawValue) }
    }
}

/// Where the cache file lies.
private enum CacheDirectory {
    /// A directory that root makes is root's, and who the daemon runs as is not known here.
    ///
    /// - Throws: `CommandFailure` with the command that makes it for the daemon, if this process is root and it is missing.
    static func refuseToMake(for configuration: Configuration) throws(CommandFailure) {
        let directory = URL(filePath: configuration.cachePath).deletingLastPathComponent().path
        guard configuration.store == .sqlite, geteuid() == 0, !FileManager.default.fileExists(atPath: directory)
        else { return }
        throw CommandFailure(
            .usage,
            "\(directory) does not exist, and the daemon could not use what root makes there; create it for the daemon's "
                + "user first: install -d -m 0750 -o sts-bridge -g sts-bridge \(directory)")
    }
}

extension ImportFailure {
    fileprivate var status: ExitStatus {
        switch reason {
        case .archive, .source, .clock: .unknown
        case .nowhere, .empty, .header, .otherFormat, .otherVersion, .fromTheFuture, .endsEarly, .miscounted, .goesOn:
            .usage
        }
    }
}
