import Hummingbird
import Logging

/// Every error leaves as a `Problem`.
struct ProblemMiddleware: RouterMiddleware {
    let logger: Logger

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let refusal as Refusal {
            return try AdminJSON.response(refusal.problem, status: refusal.status)
        } catch let error as HTTPError where error.status == .notFound {
            let hint = "GET /openapi.json lists the routes and their methods"
            return try AdminJSON.response(
                Problem("no such route: \(request.method.rawValue) \(Shown.text(request.uri.path))", hint: hint),
                status: .notFound)
        } catch let error as any HTTPResponseError {
            return try AdminJSON.response(Problem(error.status.reasonPhrase), status: error.status)
        } catch {
            logger.error("admin request failed", metadata: ["origin": "admin", "reason": "\(error)"])
            return try AdminJSON.response(
                Problem("an error of the daemon's own", hint: "its log says more"), status: .internalServerError)
        }
    }
}

/// Who has changed what: one line for each request that is no question, granted or refused.
struct AuditMiddleware: RouterMiddleware {
    let logger: Logger

    func handle(
        _ request: Request, context: AdminContext, next: (Request, AdminContext) async throws -> Response
    ) async throws -> Response {
        guard request.method != .get else { return try await next(request, context) }
        let peer = try? await context.peer
        let response = try await next(request, context)
        logger.notice(
            "admin request",
            metadata: [
                "origin": "admin", "user": "\(peer?.author ?? "unknown")",
                "uid": "\(peer.map { "\($0.user)" } ?? "unknown")",
                "pid": "\(peer.map { "\($0.process)" } ?? "unknown")",
                "request": "\(request.method.rawValue) \(request.uri.path)", "status": "\(response.status.code)",
            ])
        return response
    }
}
