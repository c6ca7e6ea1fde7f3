package gateway

import (
	"context"
	"io"
	"net/http"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// livez says that the process answers; it knows nothing of the server behind, so a dead server restarts no gateway.
func (g *Gateway) livez(w http.ResponseWriter, _ *http.Request) { writeText(w, "ok\n") }

// readyz says whether a request sent now would be served: not while draining, and not while the server is not.
func (g *Gateway) readyz(w http.ResponseWriter, r *http.Request) {
	if g.draining.Load() {
		writeError(w, r, fail(codes.Unavailable, "DRAINING", "the gateway is shutting down"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.limits.ProbeTimeout)
	defer cancel()
	answer, err := g.health.Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		writeError(w, r, withHTTP(http.StatusServiceUnavailable, polish(err)))
		return
	}
	if answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		writeError(w, r, retryLater(codes.Unavailable, "", "the server behind the gateway says "+answer.GetStatus().String()))
		return
	}
	writeText(w, "ok\n")
}

func writeText(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text)
}
