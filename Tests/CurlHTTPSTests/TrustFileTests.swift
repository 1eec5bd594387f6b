import Discovery
import Foundation
import Testing

@testable import CurlHTTPS

extension AgainstNginx {
    @Suite struct TrustFileTests {
        let lab: Laboratory

        init() throws { lab = try #require(Laboratory.current) }

        private func setUpError(_ path: String) -> CurlSetupError? {
            do throws(CurlSetupError) {
                _ = try CurlFetcher(CurlFetcherConfiguration(trust: .file(path)))
                return nil
            } catch {
                return error
            }
        }

        private func file(_ name: String, _ content: String) throws -> String {
            let place = lab.directory.appending(path: name)
            try content.write(to: place, atomically: true, encoding: .utf8)
            return place.path
        }

        @Test func `a missing CA file stops the start and is named`() {
            let error = setUpError("/nonexistent/ca.pem")
            #expect(error == .unreadableCAFile(path: "/nonexistent/ca.pem", reason: "No such file or directory"))
            #expect(
                error?.description
                    == "CA file /nonexistent/ca.pem cannot be read: No such file or directory. Install the package "
                    + "ca-certificates, or set fetch.ca-file to a PEM file that this user may read.")
        }

        @Test func `a file without a certificate stops the start`() throws {
            for path in [try file("empty.pem", ""), try file("prose.pem", "no PEM\n"), lab.certificates.key, "/etc"] {
                guard case .noCertificates(path, let reason) = setUpError(path) else {
                    Issue.record("\(path) was taken")
                    continue
                }
                #expect(!reason.isEmpty)
            }
        }

        @Test func `a file that is broken after its first certificate stops the start`() throws {
            let root = try String(contentsOfFile: lab.certificates.root, encoding: .utf8)
            let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
            #expect(setUpError(try file("half.pem", root + broken)) != nil)
        }

        @Test func `several certificates with comments are taken, and all of them count`() async throws {
            let roots = try [lab.certificates.otherRoot, lab.certificates.root].map {
                "# a root\n" + (try String(contentsOfFile: $0, encoding: .utf8))
            }
            let trust = CATrust.file(try file("both.pem", roots.joined(separator: "\n")))
            #expect(try await lab.get("mta-sts.good.test", trust: trust).text == "ok")
            #expect(try await lab.get("mta-sts.unknown.test", trust: trust).text == "ok")
        }

        @Test func `a CA file that is gone later is a failure of our own`() async throws {
            let root = try String(contentsOfFile: lab.certificates.root, encoding: .utf8)
            let path = try file("gone.pem", root)
            let fetcher = try lab.fetcher(trust: .file(path))
            try FileManager.default.removeItem(atPath: path)
            let result = await fetcher.result(try PolicyRequest(lab: "echo.lab.test"))
            await fetcher.close()
            guard case .transport(.local(let reason)) = result.failure else {
                Issue.record("\(result)")
                return
            }
            #expect(reason.contains("CA"))
        }
    }
}
