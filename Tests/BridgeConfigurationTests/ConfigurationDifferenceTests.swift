import PolicyCaching
import PolicyRuntime
import TableServer
import Testing

@testable import BridgeConfiguration

@Suite struct ConfigurationDifferenceTests {
    @Test func `the same configuration is no change`() {
        let difference = ConfigurationDifference(from: Configuration(), to: Configuration())
        #expect(difference.changes == [])
        #expect(difference.needsRestart == [])
    }

    @Test func `the difference has each changed key with both values, lists with commas, in the order of the file`() {
        var new = Configuration()
        new.decisions.enforceTesting = true
        new.socketmap.append(.unix(path: "/run/s"))
        new.logLevel = .debug
        let difference = ConfigurationDifference(from: Configuration(), to: new)
        #expect(
            difference.changes == [
                ConfigurationChange(
                    key: "listen.socketmap", old: "127.0.0.1:8461", new: "127.0.0.1:8461,unix:/run/s"),
                ConfigurationChange(key: "policy.enforce-testing", old: "false", new: "true"),
                ConfigurationChange(key: "log.level", old: "info", new: "debug"),
            ])
        #expect(difference.needsRestart == [])
        #expect(difference.configuration.decisions.enforceTesting)
    }

    @Test func `keys that need a restart keep their old value, the others change`() {
        var old = Configuration()
        old.cachePath = "/var/lib/old.sqlite"
        var new = Configuration()
        new.cachePath = "/var/lib/new.sqlite"
        new.store = .memory
        new.cache.maximumDomains = 5_000
        new.cache.retryAfter = .seconds(10)
        let difference = ConfigurationDifference(from: old, to: new)
        #expect(difference.needsRestart == ["cache.store", "cache.path", "cache.max-domains"])
        #expect(difference.changes.map(\.key) == ["fetch.retry-after"])
        #expect(difference.configuration.cachePath == "/var/lib/old.sqlite")
        #expect(difference.configuration.store == .sqlite)
        #expect(difference.configuration.cache.maximumDomains == 1_000_000)
        #expect(difference.configuration.cache.retryAfter == .seconds(10))
    }

    @Test(arguments: ConfigurationKey.all.filter(\.needsRestart).map(\.name))
    func `a key accepts the text that it writes`(name: String) throws {
        let key = try #require(ConfigurationKey.all.first { $0.name == name })
        var configuration = Configuration()
        #expect(key.set(key.texts(Configuration()), &configuration))
        #expect(key.texts(configuration) == key.texts(Configuration()))
    }
}
