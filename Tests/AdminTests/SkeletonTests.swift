import Testing

@testable import Admin
