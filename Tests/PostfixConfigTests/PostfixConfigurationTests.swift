import Foundation
import PostfixConfig
import Testing

/// The same Postfix, read with its programs and from its files.
@Suite(.serialized, .timeLimit(.minutes(5))) struct PostfixConfigurationTests {
    private static let main = """
        compatibility_level = 3.6
        queue_directory = /srv/queue
        mine = /etc/ssl/ca.pem
        smtp_tls_CAfile = $mine
        smtp_tls_security_level = may
        smtp_tls_policy_maps = inline:{ { a.example = may } },
            socketmap:inet:127.0.0.1:8461:postfix

        """
    private static let master = """
        smtp      unix  -       -       y       -       -       smtp
        relay     unix  -       -       -       -       -       smtp
          -o { smtp_tls_CAfile = $mine.relay }
          -o smtp_tls_security_level=encrypt
        proxymap  unix  -       -       n       -       -       proxymap

        """

    private static func inDirectory(_ body: (String) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "sts-configuration-\(UUID().uuidString)")
            .path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try main.write(toFile: directory + "/main.cf", atomically: false, encoding: .utf8)
        try master.write(toFile: directory + "/master.cf", atomically: false, encoding: .utf8)
        try body(directory)
    }

    @Test func `postconf prints all parameters, expanded, with defaults`() throws {
        let path = try #require(Postconf.find(searchPath: ""))
        try Self.inDirectory { directory in
            let configuration = try PostfixConfiguration.load(postconf: path, directory: directory)
            #expect(configuration.source == .postconf(path))
            #expect(configuration.profile.release != nil)
            #expect(configuration.parameters["tls_append_default_CA"] == "no")
            Self.expect(configuration, in: directory)
            #expect(configuration.clients[1].parameters["smtp_tls_CAfile"] == "/etc/ssl/ca.pem.relay")
        }
    }

    @Test func `without postconf the files give the same, but no defaults and no version`() throws {
        try Self.inDirectory { directory in
            let configuration = try PostfixConfiguration.load(postconf: nil, directory: directory)
            #expect(configuration.source == .files)
            #expect(configuration.profile.release == nil)
            #expect(configuration.parameters["tls_append_default_CA"] == nil)
            Self.expect(configuration, in: directory)
        }
    }

    private static func expect(_ configuration: PostfixConfiguration, in directory: String) {
        #expect(configuration.directory == directory)
        #expect(configuration.queueDirectory == "/srv/queue")
        #expect(configuration.clients.map(\.name) == ["smtp", "relay"])
        #expect(configuration.clients.map(\.isChrooted) == [true, false])
        #expect(configuration.isProxymapChrooted == false)
        #expect(configuration.clients[0].parameters["smtp_tls_CAfile"] == "/etc/ssl/ca.pem")
        #expect(configuration.clients[1].parameters["smtp_tls_security_level"] == "encrypt")
        let tables = PolicyTable.all(in: configuration.parameters.text("smtp_tls_policy_maps"))
        #expect(tables.map(\.text) == ["inline:{ { a.example = may } }", "socketmap:inet:127.0.0.1:8461:postfix"])
    }

    @Test func `a directory without main cf is an error`() throws {
        let error = #expect(throws: PostfixConfigurationError.self) {
            try PostfixConfiguration.load(postconf: nil, directory: "/nonexistent")
        }
        #expect(
            "\(try #require(error))"
                == "no postconf on this host, and cannot read /nonexistent/main.cf: No such file or directory")
        let path = try #require(Postconf.find(searchPath: ""))
        #expect(throws: PostfixConfigurationError.self) {
            try PostfixConfiguration.load(postconf: path, directory: "/nonexistent")
        }
    }

    @Test func `postmap distinguishes found, not found and failed`() throws {
        let path = try #require(Postconf.find(searchPath: ""))
        try Self.inDirectory { directory in
            let postmap = try #require(Postmap(beside: path, configurationDirectory: directory))
            #expect(postmap.lookup("b.example", table: "static:may") == .found("may"))
            #expect(postmap.lookup("b.example", table: "inline:{ { a.example = may } }") == .notFound)
            guard case .failed(let words) = postmap.lookup("b.example", table: "texthash:\(directory)/none") else {
                Issue.record("no error")
                return
            }
            #expect(words.contains("No such file or directory"))
        }
        #expect(Postmap(beside: "/nonexistent/postconf", configurationDirectory: nil) == nil)
    }

    @Test(
        arguments: [
            (1, "", Postmap.Answer.notFound),
            (1, "postmap: warning: /etc/postfix/main.cf, line 6: overriding earlier entry: mynetworks=x\n", .notFound),
            (
                1, "postmap: warning: set twice\npostmap: fatal: open database /x.db: No such file or directory\n",
                .failed("fatal: open database /x.db: No such file or directory")
            ),
            (1, "postmap: fatal: query error\npostmap: warning: later\n", .failed("fatal: query error")),
            (1, "postmap: error: unsupported\n", .failed("error: unsupported")),
            (139, "", .failed("postmap ended with status 139")),
            (0, "postmap: warning: set twice\n", .found("may")),
        ] as [(Int32, String, Postmap.Answer)])
    func `a warning of postmap is no error of the table`(status: Int32, errors: String, answer: Postmap.Answer) {
        let found = Postmap.answer(status: status, output: Array("may\n".utf8), errors: Array(errors.utf8))
        #expect(found == answer)
    }

    @Test func `a table answers even if main cf sets a parameter twice`() throws {
        let path = try #require(Postconf.find(searchPath: ""))
        try Self.inDirectory { directory in
            let main = directory + "/main.cf"
            let text = try String(contentsOfFile: main, encoding: .utf8)
            try (text + "\nmynetworks = 127.0.0.1\nmynetworks = 127.0.0.2\n").write(
                toFile: main, atomically: false, encoding: .utf8)
            let postmap = try #require(Postmap(beside: path, configurationDirectory: directory))
            #expect(postmap.lookup("b.example", table: "inline:{ { a.example = may } }") == .notFound)
        }
    }

    @Test func `a relative path of a table begins at the queue directory`() throws {
        let path = try #require(Postconf.find(searchPath: ""))
        try Self.inDirectory { directory in
            try "a.example may\n".write(toFile: directory + "/own", atomically: false, encoding: .utf8)
            let postmap = try #require(
                Postmap(beside: path, configurationDirectory: directory, queueDirectory: directory))
            #expect(postmap.lookup("a.example", table: "texthash:own") == .found("may"))
        }
    }

    @Test func `a table that hangs times out`() throws {
        let path = try #require(Postconf.find(searchPath: ""))
        try Self.inDirectory { directory in
            var postmap = try #require(Postmap(beside: path, configurationDirectory: directory))
            postmap.timeLimit = .milliseconds(300)
            // There is no proxymap(8) in that queue, so postmap retries for minutes.
            #expect(postmap.lookup("b.example", table: "proxy:static:x") == .unknown("postmap did not end in time"))
        }
    }
}
