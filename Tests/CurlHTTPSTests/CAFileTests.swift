import Discovery
import Foundation
import Testing

@testable import CurlHTTPS

extension AgainstNginx {
    @Suite struct CAFileTests {
        let nginx: NginxFixture

        init() throws { nginx = try #require(NginxFixture.current) }

        private func setUpError(_ path: String) -> CurlSetupError? {
            do throws(CurlSetupError) {
                _ = try CurlFetcher(CurlFetcherConfiguration(trust: .file(path)))
                return nil
            } catch {
                return error
            }
        }

        private func file(_ name: String, content: String) throws -> String {
            let place = nginx.directory.appending(path: name)
            try content.write(to: place, atomically: true, encoding: .utf8)
            return place.path
        }

        @Test func `a missing CA file stops the start, and the error names it`() {
            let error = setUpError("/nonexistent/ca.pem")
            #expect(error == .unreadableCAFile(path: "/nonexistent/ca.pem", reason: "No such file or directory"))
            #expect(
                error?.description
                    == "CA file /nonexistent/ca.pem cannot be read: No such file or directory. Install the package "
                    + "ca-certificates, or set fetch.ca-file to a PEM file that this user may read.")
        }

        @Test func `a file without a certificate stops the start`() throws {
            for path in [
                try file("empty.pem", content: ""), try file("prose.pem", content: "no PEM\n"), nginx.certificates.key,
                "/etc",
            ] {
                guard case .noCertificates(path, let reason) = setUpError(path) else {
                    Issue.record("\(path) was taken")
                    continue
                }
                #expect(!reason.isEmpty)
            }
        }

        @Test func `a file that is broken after its first certificate stops the start`() throws {
            let root = try String(contentsOfFile: nginx.certificates.root, encoding: .utf8)
            let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
            #expect(setUpError(try file("half.pem", content: root + broken)) != nil)
        }

        @Test func `all certificates of a file with comments are trusted`() async throws {
            let roots = try [nginx.certificates.otherRoot, nginx.certificates.root].map {
                "# a root\n" + (try String(contentsOfFile: $0, encoding: .utf8))
            }
            let trust = CATrust.file(try file("both.pem", content: roots.joined(separator: "\n")))
            #expect(try await nginx.get("mta-sts.good.test", trust: trust).text == "ok")
            #expect(try await nginx.get("mta-sts.unknown.test", trust: trust).text == "ok")
        }

        @Test func `a CA file that disappears later is a local error`() async throws {
            let root = try String(contentsOfFile: nginx.certificates.root, encoding: .utf8)
            let path = try file("gone.pem", content: root)
            let fetcher = try nginx.fetcher(trust: .file(path))
            try FileManager.default.removeItem(atPath: path)
            let result = await fetcher.result(try PolicyRequest(nginx: "echo.site.test"))
            await fetcher.close()
            guard case .transport(.local(let reason)) = result.failure else {
                Issue.record("\(result)")
                return
            }
            #expect(reason.contains("CA"))
        }
    }
}
