import Foundation
import Testing

/// A cache file in a directory of its own, and what is run on it.
struct CacheFile: Sendable {
    static let port: UInt16 = 8475

    let network: TestNetwork
    let directory: String
    var path: String { directory + "/policies.sqlite" }

    /// - Parameter directory: an existing one; nil: a new one.
    init(_ network: TestNetwork, in directory: String? = nil) throws {
        self.network = network
        self.directory = directory ?? "\(network.directory)/cache-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: self.directory, withIntermediateDirectories: true)
    }

    // MARK: The daemon

    /// Runs a daemon on the file. One that is still there at the end is stopped by SIGTERM and has to end with 0.
    ///
    /// - Returns: the daemon, which has ended, for its log.
    @discardableResult
    func serve(
        _ surroundings: BridgeEnvironment = BridgeEnvironment(), _ body: (BridgeProcess) async throws -> Void
    ) async throws -> BridgeProcess {
        let bridge = try bridge(surroundings)
        do {
            try await bridge.start()
            try await body(bridge)
        } catch {
            try? await bridge.kill()
            throw error
        }
        let isRunning = await bridge.identifier != nil
        if isRunning { #expect(try await bridge.stop() == 0, "\(bridge.log.text())") }
        return bridge
    }

    /// Starts a daemon without DNS, expects `secure` for all of these names from its cache, and kills it.
    @discardableResult
    func expectCached(
        _ names: [String], surroundings: BridgeEnvironment = .cutOff, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> BridgeProcess {
        try await serve(surroundings) { daemon in
            await expectSecure(names, sourceLocation: sourceLocation)
            try await daemon.kill()
        }
    }

    func expectSecure(
        _ names: [String], connections: Int = 8, sourceLocation: SourceLocation = #_sourceLocation
    ) async {
        let replies = await SocketmapClient.askAll(names, connections: connections, port: Self.port)
        let others = names.filter { replies[$0] != secure(MXHost.good.name) }
        #expect(
            others.isEmpty, "\(others.count) of \(names.count), as \(others.prefix(3).map { ($0, replies[$0]) })",
            sourceLocation: sourceLocation)
    }

    private func bridge(_ surroundings: BridgeEnvironment) throws -> BridgeProcess {
        let place = "\(network.directory)/daemon-\(UUID().uuidString.prefix(8))"
        return try BridgeProcess(
            in: place,
            configuration: "listen:\n  socketmap: [127.0.0.1:\(Self.port)]\n  tcp-table: []\n"
                + settings(surroundings, in: place), ready: Self.port)
    }

    private func settings(_ surroundings: BridgeEnvironment, in directory: String) -> String {
        var surroundings = surroundings
        surroundings.cache = path
        return surroundings.configuration(trusting: network.authority, in: directory)
    }

    /// Runs a command of `sts-bridge`, or the daemon where it must not start, to its end.
    func command(_ arguments: String..., input: String = "") async throws -> (status: Int32, output: String) {
        try await command(arguments, input: input)
    }

    func command(_ arguments: [String], input: String = "") async throws -> (status: Int32, output: String) {
        try await ChildProcess.run(
            BridgeProcess.binary(), arguments: arguments + ["--config", try configuration()], input: Data(input.utf8))
    }

    /// The path of a configuration file that names the cache file.
    func configuration() throws -> String {
        let path = "\(network.directory)/command-\(UUID().uuidString.prefix(8)).yaml"
        let listen = "listen:\n  socketmap: [127.0.0.1:\(Self.port + 1)]\n  tcp-table: []\n"
        try (listen + settings(BridgeEnvironment(), in: network.directory))
            .write(toFile: path, atomically: false, encoding: .utf8)
        return path
    }

    // MARK: The file

    /// What another program sees in it.
    func sqlite(_ statement: String) async throws -> String {
        let script = """
            import sqlite3, sys
            connection = sqlite3.connect(sys.argv[1], timeout=10)
            print(connection.execute(sys.argv[2]).fetchall())
            connection.commit()
            """
        return try await ChildProcess.must("/usr/bin/env", arguments: ["python3", "-c", script, path, statement])
            .trimmingCharacters(in: .newlines)
    }

    func expectIntegrity(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        #expect(try await sqlite("PRAGMA integrity_check") == "[('ok',)]", sourceLocation: sourceLocation)
    }

    /// The files beside it and itself, by their names.
    var files: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted()
    }
}

extension BridgeProcess {
    /// The lines that an administrator reads, without their times: debugging is left out.
    nonisolated var logged: [String] {
        log.lines().map { $0.split(separator: " ", maxSplits: 1).last.map(String.init) ?? "" }
            .filter { !$0.hasPrefix("debug ") && !$0.hasPrefix("trace ") }
    }

    nonisolated func logged(_ message: String) -> [String] {
        logged.filter { $0.contains(message) }
    }

    nonisolated func eventuallyLogs(_ message: String, times: Int = 1) async throws {
        _ = try await eventually("the log says: \(message)", within: .seconds(60)) {
            logged(message).count >= times ? true : nil
        }
    }
}
