import Testing
import TextFormats

@Suite struct DurationTests {
    @Test(
        arguments: [
            (Duration.zero, 0), (.nanoseconds(-1), 0), (.seconds(Int64.min), 0), (.nanoseconds(1), 1),
            (.milliseconds(1), 1),
            (.nanoseconds(1_000_001), 2), (.seconds(60), 60_000), (.milliseconds(Int64(Int32.max)), .max),
            (.seconds(Int64.max), .max),
        ] as [(Duration, Int32)])
    func `a timer's milliseconds are rounded up, and fit`(duration: Duration, milliseconds: Int32) {
        #expect(duration.millisecondsRoundedUp == milliseconds)
    }

    @Test(
        arguments: [
            (Duration.zero, 0), (.milliseconds(1_250), 1_250), (.microseconds(1), 0.001), (.nanoseconds(1_999), 0.001),
        ] as [(Duration, Double)])
    func `a JSON field has milliseconds to the microsecond`(duration: Duration, milliseconds: Double) {
        #expect(duration.inMilliseconds == milliseconds)
    }
}
